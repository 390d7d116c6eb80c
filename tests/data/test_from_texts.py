import numpy as np
import pytest

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

TRAIN = LabelledTexts(["red wine", "white wine", "green tea"], [["drink", "wine"], ["wine"], []])
TEST = LabelledTexts(["black tea"], [["drink", "coffee"]])


def make(train=TRAIN, test=TEST, **changes):
    return from_texts(train, test, name="mine", text=WordVectorizer(min_df=1), **changes)


def test_names_become_sorted_columns_with_their_names_as_texts():
    data = make()

    assert data.label_names == ("drink", "wine")
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 1], [0, 1], [0, 0]])
    assert data.vocabulary == ("drink", "green", "red", "tea", "white", "wine")
    assert data.label_features[[1]].indices.tolist() == [5]
    assert data.test.features.indices.tolist() == [3]  # "black" is in no training text
    assert (data.name, data.propensity_a, len(data.train.filter_pairs)) == ("mine", 0.55, 0)


def test_labels_that_only_test_points_have_are_left_out_with_a_warning(caplog):
    data = make()

    np.testing.assert_array_equal(data.test.labels.toarray(), [[1, 0]])
    assert "1 labels of test points, which no training point has" in caplog.text


def test_label_texts_by_name_stand_for_the_names_and_add_labels(caplog):
    data = make(label_texts={"wine": "made of grapes", "coffee": "made of beans"})

    assert data.label_names == ("made of beans", "drink", "made of grapes")  # coffee, drink, wine
    np.testing.assert_array_equal(data.test.labels.toarray(), [[1, 1, 0]])
    assert not caplog.records


def test_numbers_are_places_in_the_list_of_label_texts():
    train = LabelledTexts(["red wine", "tea"], [np.array([2, 0, 2]), (1,)])
    data = make(train, LabelledTexts([], []), label_texts=["drink", "leaf", "grape"])

    assert data.label_names == ("drink", "leaf", "grape")
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 1], [0, 1, 0]])
    assert data.test.labels.shape == (0, 3)


def test_columns_of_a_table_will_do():
    texts, labels = np.array(TRAIN.texts, object), np.empty(3, object)
    labels[:] = TRAIN.labels

    assert make(LabelledTexts(texts, labels)).fingerprint == make().fingerprint


def test_generators_will_do():
    train = LabelledTexts(iter(TRAIN.texts), (tuple(own) for own in TRAIN.labels))

    assert make(train).fingerprint == make().fingerprint


def test_words_are_the_default():
    train = LabelledTexts(["a tea", "a wine"], [["tea"], ["wine"]])

    assert from_texts(train, LabelledTexts([], []), name="mine").vocabulary == ("a", "tea", "wine")


@pytest.mark.parametrize(
    ("train", "changes", "message"),
    [
        (
            LabelledTexts(["a", "b"], [["x"]]),
            {},
            "train: expected a list of labels for each of 2 texts, found 1",
        ),
        (LabelledTexts(["a", float("nan")], [[], []]), {}, "train, row 1: expected a text, found nan; fill"),
        (
            LabelledTexts(["a"], ["x"]),
            {},
            r"train, row 0: expected a list of labels, found 'x'; write .* \['x'\]",
        ),
        (LabelledTexts(["a"], [None]), {}, "row 0: expected a list of labels, found None"),
        (
            LabelledTexts(["a"], [[7]]),
            {},
            "row 0: expected names of labels .numbers need .* found 7; correct",
        ),
        (LabelledTexts(["a"], [[2]]), {"label_texts": ["x", "y"]}, "numbers from 0 to 1, .* found 2"),
        (LabelledTexts(["a"], [[-1]]), {"label_texts": ["x", "y"]}, "numbers from 0 to 1, .* found -1"),
        (LabelledTexts(["a"], [[True]]), {"label_texts": ["x", "y"]}, "numbers from 0 to 1, .* found True"),
        (LabelledTexts(["a"], [["x"]]), {"label_texts": ["x", "y"]}, "numbers from 0 to 1, .* found 'x'"),
        (LabelledTexts(["a"], [[0]]), {"label_texts": ["x", None]}, "label_texts, row 1: expected a text, f"),
    ],
)
def test_mistakes_name_the_row(train, changes, message):
    with pytest.raises(UserError, match=message):
        make(train, LabelledTexts([], []), **changes)
