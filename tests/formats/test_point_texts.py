"""The texts of a folder's points are those that were written, whatever the layout."""

import pytest

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.xc_data import PointTexts
from xcgraph.errors import UserError
from xcgraph.formats.point_texts import find_point_texts
from xcgraph.formats.write_folder import write_folder

TEXTS = PointTexts(("red wine", "grüner Tee", "red tea"), ("wine", "tea"))
DATA = from_texts(
    LabelledTexts(TEXTS.train, [["red"], ["tea"], ["red", "tea"]]),
    LabelledTexts(TEXTS.test, [["red"], ["tea"]]),
    name="drinks",
)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("layout", ["json", "texts"])
def test_texts_are_those_that_were_written(layout, compress, tmp_path):
    write_folder(DATA, tmp_path / "drinks", layout, texts=TEXTS, compress=compress)

    found = find_point_texts(tmp_path / "drinks")

    assert found is not None
    for _ in range(2):  # they can be read again
        assert tuple(text.strip() for text in found.train) == TEXTS.train
        assert tuple(text.strip() for text in found.test) == TEXTS.test


@pytest.mark.parametrize("layout", ["split", "old"])
def test_sparse_features_have_no_texts(layout, tmp_path):
    write_folder(DATA, tmp_path / "drinks", layout)

    assert find_point_texts(tmp_path / "drinks") is None


def test_the_layout_may_be_forced(tmp_path):
    for layout in ("split", "json"):
        write_folder(DATA, tmp_path / layout, layout, texts=TEXTS)
        for path in (tmp_path / layout).iterdir():
            path.replace(tmp_path / path.name)
        (tmp_path / layout).rmdir()

    assert find_point_texts(tmp_path) is None
    assert find_point_texts(tmp_path, "json") is not None
    with pytest.raises(UserError, match=r"trn_X\.txt"):
        find_point_texts(tmp_path, "texts")
