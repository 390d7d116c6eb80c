from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from data_modules.xc_repository import XCRepository
from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.xc_data import PointTexts
from xcgraph.errors import UserError
from xcgraph.formats.folder import write_folder
from xcgraph.text.vectorizer import WordVectorizer

TRAIN, TEST, LABELS = ("red wine", "green tea", "red tea"), ("wine",), ("red", "tea", "wine")
DATA = from_texts(
    LabelledTexts(TRAIN, [[0, 2], [1], [0, 1]]),
    LabelledTexts(TEST, [[2]]),
    name="mine",
    label_texts=LABELS,
    propensity_a=0.6,
    propensity_b=2.6,
)


def module(path: Path | str, **changes: object) -> XCRepository:
    arguments = {
        "name": "mine",
        "propensity_a": 0.6,
        "propensity_b": 2.6,
        "path": path,
        "text": WordVectorizer(),
        "cache": Path(path).parent / "converted",
        **changes,
    }
    return XCRepository(**arguments)


@pytest.mark.parametrize("layout", ["split", "single_file", "json", "texts"])
def test_written_folder_is_read_back_equal(tmp_path, layout):
    write_folder(DATA, tmp_path / "mine", layout, texts=PointTexts(TRAIN, TEST))

    assert module(tmp_path / "mine").read().fingerprint == DATA.fingerprint
    assert module(tmp_path / "mine", layout=layout).read().fingerprint == DATA.fingerprint


@pytest.mark.parametrize("layout", ["json", "texts"])
def test_point_texts_returns_the_texts_of_text_layouts(tmp_path, layout):
    write_folder(DATA, tmp_path / "mine", layout, texts=PointTexts(TRAIN, TEST))

    found = module(tmp_path / "mine").point_texts()
    assert (tuple(found.train), tuple(found.test)) == (TRAIN, TEST)


def test_point_texts_is_none_for_sparse_features(tmp_path):
    write_folder(DATA, tmp_path / "mine", "split")

    assert module(tmp_path / "mine").point_texts() is None


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_config_of_a_command_reads_a_folder(tmp_path, command):
    write_folder(DATA, tmp_path / "mine", "json", texts=PointTexts(TRAIN, TEST))
    overrides = [
        "data=xc_folder",
        f"data.path={tmp_path / 'mine'}",
        "data.name=mine",
        "data.propensity_a=0.6",
        "data.propensity_b=2.6",
        "data.statistics={train_points: 3, labels: 3}",
        f"paths.root={tmp_path}",
        *(["predictions=none.npz"] if command == "evaluate" else []),
    ]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        found = instantiate(compose(command, overrides).data)

    assert found.read().fingerprint == DATA.fingerprint
    assert (tmp_path / "converted").is_dir()


def test_fields_select_the_texts_of_records(tmp_path):
    write_folder(DATA, tmp_path / "mine", "json", texts=PointTexts(TRAIN, TEST))

    assert module(tmp_path / "mine", fields=["uid"], text=WordVectorizer(min_df=1)).read().vocabulary == (
        "0",
        "1",
        "2",
    )


def test_path_may_be_relative_or_start_with_the_home(tmp_path, monkeypatch):
    write_folder(DATA, tmp_path / "mine", "split")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert module("mine", cache="converted").read().fingerprint == DATA.fingerprint
    assert module("~/mine", cache="~/more").read().fingerprint == DATA.fingerprint
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "converted", "more"}


def test_files_are_converted_once(tmp_path, monkeypatch):
    write_folder(DATA, tmp_path / "mine", "texts", texts=PointTexts(TRAIN, TEST))
    module(tmp_path / "mine").read()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "converted").rglob("*.npy")}
    monkeypatch.setattr(WordVectorizer, "fit_transform", None)
    module(tmp_path / "mine").read()

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "converted").rglob("*.npy")} == before
    assert len(before) > 0


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none: .*folder"):
        module(tmp_path / "none").read()


def test_unknown_layout_and_empty_fields_are_refused_before_reading(tmp_path):
    with pytest.raises(UserError, match=r"layout: .*split.* found xml"):
        module(tmp_path / "none", layout="xml")
    with pytest.raises(UserError, match=r"data\.fields: "):
        module(tmp_path / "none", fields=[])


def test_different_statistics_are_refused(tmp_path):
    write_folder(DATA, tmp_path / "mine", "split")

    with pytest.raises(UserError, match=r"mine: expected 4 labels, found 3 in .*mine"):
        module(tmp_path / "mine", statistics={"labels": 4}).read()
