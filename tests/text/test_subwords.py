import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.text.subwords import SubwordVectorizer
from xcgraph.text.tokenizers import NgramTokenizer
from xcgraph.text.vectorizer import Vectorizer

TRAIN = ["Apple pie", "applied to pies", "a pear"]
LABELS = ["apple"]


@pytest.mark.parametrize(
    ("sizes", "text", "tokens"),
    [
        ((3, 3), "Pie", ["pie", "#<pi", "#pie", "#ie>"]),
        ((3, 4), "pie", ["pie", "#<pi", "#pie", "#ie>", "#<pie", "#pie>"]),
        ((3, 9), "a of", ["a", "of", "#<of", "#of>"]),  # no run is the whole word
        ((5, 5), "pie pie", ["pie", "pie"]),
        ((1, 1), "ab", ["ab", "#<", "#a", "#b", "#>"]),
        ((3, 3), "…", []),
    ],
)
def test_words_are_followed_by_their_runs(sizes, text, tokens):
    assert list(NgramTokenizer(*sizes).tokenize([text, text])) == [tokens, tokens]


def test_word_and_run_of_the_same_letters_are_two_tokens():
    features = SubwordVectorizer(shortest=3, longest=3, min_df=1).fit_transform(
        ["pie"], [], label_texts=["pie"]
    )
    assert features.vocabulary == ("#<pi", "#ie>", "#pie", "pie")


def test_weights_equal_a_naive_computation():
    features = SubwordVectorizer(shortest=4, longest=4, min_df=2).fit_transform(TRAIN, [], label_texts=LABELS)
    cut = list(NgramTokenizer(4, 4).tokenize([*TRAIN, *LABELS]))
    frequency = {token: sum(token in tokens for tokens in cut) for tokens in cut for token in tokens}
    vocabulary = sorted(token for token, count in frequency.items() if count >= 2)
    assert features.vocabulary == tuple(vocabulary)
    idf = np.array([np.log((1 + 4) / (1 + frequency[token])) + 1 for token in vocabulary])
    weights = np.array([[tokens.count(token) for token in vocabulary] for tokens in cut]) * idf
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    expected = np.divide(weights, norms, out=np.zeros_like(weights), where=norms > 0)
    found = np.vstack([features.train.toarray(), features.labels.toarray()])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_unknown_word_shares_runs_with_known_ones():
    features = SubwordVectorizer(min_df=1).fit_transform(["happiness"], ["unhappily"], label_texts=["sad"])
    shared = {features.vocabulary[column] for column in features.test.indices}
    assert shared == {"#hap", "#app", "#ppi", "#happ", "#appi", "#happi"}


def test_is_a_way_to_turn_texts_into_features():
    assert isinstance(SubwordVectorizer(), Vectorizer)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (4, 3), (3, 21)])
def test_lengths_out_of_range(shortest, longest):
    with pytest.raises(UserError, match=f"longest ≤ 20, got {shortest} and {longest}"):
        SubwordVectorizer(shortest=shortest, longest=longest)
    with pytest.raises(ValueError, match="Expected 1 ≤ shortest ≤ longest"):
        NgramTokenizer(shortest, longest)


def test_min_df_must_be_positive():
    with pytest.raises(UserError, match=r"text\.min_df must be ≥ 1, got 0"):
        SubwordVectorizer(min_df=0)
