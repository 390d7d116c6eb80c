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
        ((3, 9), "a of", ["a", "of", "#<of", "#of>"]),  # no n-gram is the whole word
        ((5, 5), "pie pie", ["pie", "pie"]),
        ((1, 1), "ab", ["ab", "#<", "#a", "#b", "#>"]),
        ((3, 3), "…", []),
    ],
)
def test_ngrams_follow_their_word(sizes, text, tokens):
    assert list(NgramTokenizer(*sizes).tokenize([text, text])) == [tokens, tokens]


def test_word_and_ngram_of_the_same_letters_are_two_tokens():
    vectorized = SubwordVectorizer(shortest=3, longest=3, min_df=1).fit_transform(
        ["pie"], [], label_texts=["pie"]
    )
    assert vectorized.vocabulary == ("#<pi", "#ie>", "#pie", "pie")


def test_weights_match_a_naive_computation():
    vectorized = SubwordVectorizer(shortest=4, longest=4, min_df=2).fit_transform(
        TRAIN, [], label_texts=LABELS
    )
    tokenized = list(NgramTokenizer(4, 4).tokenize([*TRAIN, *LABELS]))
    frequency = {
        token: sum(token in tokens for tokens in tokenized) for tokens in tokenized for token in tokens
    }
    vocabulary = sorted(token for token, count in frequency.items() if count >= 2)
    assert vectorized.vocabulary == tuple(vocabulary)
    idf = np.array([np.log((1 + 4) / (1 + frequency[token])) + 1 for token in vocabulary])
    weights = np.array([[tokens.count(token) for token in vocabulary] for tokens in tokenized]) * idf
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    expected = np.divide(weights, norms, out=np.zeros_like(weights), where=norms > 0)
    found = np.vstack([vectorized.train.toarray(), vectorized.labels.toarray()])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_unknown_word_shares_ngrams_with_known_words():
    vectorized = SubwordVectorizer(min_df=1).fit_transform(["happiness"], ["unhappily"], label_texts=["sad"])
    shared = {vectorized.vocabulary[column] for column in vectorized.test.indices}
    assert shared == {"#hap", "#app", "#ppi", "#happ", "#appi", "#happi"}


def test_subword_vectorizer_is_a_vectorizer():
    assert isinstance(SubwordVectorizer(), Vectorizer)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (4, 3), (3, 21)])
def test_ngram_lengths_out_of_range_are_refused(shortest, longest):
    with pytest.raises(UserError, match=rf"text\.shortest .*20, got {shortest} and {longest}"):
        SubwordVectorizer(shortest=shortest, longest=longest)
    with pytest.raises(ValueError, match=f"20, got {shortest} and {longest}"):
        NgramTokenizer(shortest, longest)


def test_min_df_below_one_is_refused():
    with pytest.raises(UserError, match=r"text\.min_df must be ≥ 1, got 0"):
        SubwordVectorizer(min_df=0)
