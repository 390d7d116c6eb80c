import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from data_modules.reshaped import FewPoints, FirstWords, FrequentLabel, Reshaped
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.xc_data import PointTexts
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

TRAIN = LabelledTexts(
    ("red wine of france", "white  wine", "green tea", "tea of china", "milk", "red milk"),
    ((1, 2), (2,), (0,), (0,), (3,), (2, 3)),
)
TEST = LabelledTexts(("black tea of china", "wine and tea"), ((0,), (0, 2)))
LABELS = ("tea", "red things", "wine", "milk")


class Drinks(XCDataModule):
    """A small data set that can or cannot return the texts of its points."""

    def __init__(self, *, knows_texts=True):
        super().__init__(name="drinks", propensity_a=0.5, propensity_b=0.4)
        self.knows_texts = knows_texts

    def read(self):
        return from_texts(TRAIN, TEST, name=self.name, label_texts=LABELS, text=WordVectorizer(min_df=1))

    def point_texts(self):
        return PointTexts(TRAIN.texts, TEST.texts) if self.knows_texts else None


def reshaped(shape, base=None):
    return Reshaped(
        base=base or Drinks(),
        shape=shape,
        name="other",
        text=WordVectorizer(min_df=1),
        propensity_a=0.6,
        propensity_b=2.6,
    )


def words(data, split, row):
    return {data.vocabulary[token] for token in split.features[[row]].indices}


def test_first_words_shortens_point_texts():
    module = reshaped(FirstWords(2))
    data, before = module.read(), Drinks().read()
    assert tuple(module.point_texts().train)[:2] == ("red wine", "white wine")
    assert words(data, data.train, 0) == {"red", "wine"}
    assert words(data, data.test, 0) == {"tea"}  # "black" is in no training text
    assert "france" not in data.vocabulary
    assert (data.name, data.propensity_a, data.propensity_b) == ("other", 0.6, 2.6)
    assert (data.train.labels != before.train.labels).nnz == 0
    assert data.label_names == before.label_names


def test_few_points_keeps_enough_points_per_label():
    module = reshaped(FewPoints(1))
    data, before = module.read(), Drinks().read()
    counts, least = data.train.labels.sum(axis=0), np.minimum(before.train.labels.sum(axis=0), 1)
    assert (counts >= least).all()
    assert len(data.train) < len(before.train)
    texts = tuple(module.point_texts().train)
    assert len(texts) == len(data.train)
    for row, text in enumerate(texts):
        assert words(data, data.train, row) == set(text.split())
        place = TRAIN.texts.index(text)
        assert set(data.train.labels[[row]].indices) == set(TRAIN.labels[place])
    assert len(data.test) == len(before.test)


def test_few_points_drops_points_that_no_label_needs():
    """If points have one label each, exactly as many points are kept as the label needs."""
    module = reshaped(FewPoints(1))
    kept = {text for text in module.point_texts().train if "tea" in text}
    assert len(kept) == 1


def test_frequent_label_is_added_last():
    data, before = reshaped(FrequentLabel(0.4, name="drink")).read(), Drinks().read()
    assert data.label_names == (*before.label_names, "drink")
    assert (data.train.labels[:, :-1] != before.train.labels).nnz == 0
    assert data.label_features.shape[0] == data.num_labels == 5


@pytest.mark.parametrize(
    "shape",
    [FirstWords(2), FewPoints(1), FrequentLabel(0.4)],
    ids=["first_words", "few_points", "frequent_label"],
)
def test_every_read_returns_equal_data(shape):
    assert reshaped(shape).read().fingerprint == reshaped(shape).read().fingerprint


@pytest.mark.parametrize(
    ("shape", "value", "message"),
    [
        (FirstWords, 0, r"data\.shape\.num_words .*1, got 0"),
        (FewPoints, 0, r"data\.shape\.points_per_label .*1, got 0"),
        (FrequentLabel, 1.0, r"data\.shape\.share .*\(0, 1\), got 1\.0"),
        (FrequentLabel, 0.0, r"data\.shape\.share .*\(0, 1\), got 0\.0"),
    ],
)
def test_shape_values_out_of_range_are_refused(shape, value, message):
    with pytest.raises(UserError, match=message):
        shape(value)


def test_base_without_texts_is_refused():
    with pytest.raises(UserError, match=r"other: .*drinks.*texts.*data\.base"):
        reshaped(FirstWords(2), base=Drinks(knows_texts=False)).read()


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("lf_wordnet_8k_titles", lambda data: data.train.features.nnz < 6 * len(data.train)),
        ("lf_wordnet_8k_few_points", lambda data: len(data.train) < 15_000 and data.num_labels == 8436),
        (
            "lf_wordnet_8k_frequent_label",
            lambda data: (
                data.num_labels == 8437
                and abs(data.train.labels[:, [-1]].sum() / len(data.train) - 0.4) < 0.02
                and abs(data.test.labels[:, [-1]].sum() / len(data.test) - 0.4) < 0.02
            ),
        ),
    ],
)
def test_shipped_shapes_of_the_embedded_data_set(name, holds):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [f"data={name}"])
    assert holds(instantiate(config.data).read())
