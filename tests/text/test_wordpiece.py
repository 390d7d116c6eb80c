import importlib.util
import random
import subprocess
import sys

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.text.vectorizer import Vectorizer
from xcgraph.text.wordpiece import WordPieceVectorizer

SYLLABLES = ["ba", "de", "fi", "go", "ku", "ly", "mö", "nä", "ra", "su"]


def make_texts(count, seed, syllables=SYLLABLES):
    rng = random.Random(seed)
    return [" ".join("".join(rng.choices(syllables, k=3)) for _ in range(6)) for _ in range(count)]


TRAIN, LABELS = make_texts(60, seed=0), make_texts(20, seed=1)


def test_joined_tokens_give_the_text():
    vectorized = WordPieceVectorizer(vocabulary_size=80, min_df=1).fit_transform(
        TRAIN, [], label_texts=LABELS
    )

    tokens = np.array(vectorized.vocabulary)
    for text, row in zip(LABELS, vectorized.labels, strict=True):
        letters = sorted("".join(tokens[row.indices]).replace("#", ""))
        plain = text.replace("ö", "o").replace("ä", "a").replace(" ", "")
        assert set(letters) == set(plain)
    np.testing.assert_allclose((vectorized.train.multiply(vectorized.train)).sum(axis=1), 1, rtol=1e-5)


def test_vocabulary_has_frequent_pieces_up_to_its_size():
    small, large = (
        WordPieceVectorizer(vocabulary_size=size, min_df=1)
        .fit_transform(TRAIN, [], label_texts=LABELS)
        .vocabulary
        for size in (40, 120)
    )

    assert len(small) <= 40 < len(large) <= 120
    assert set(small) & {"ba", "##ba", "##fi", "##go"}
    assert max(map(len, large)) > max(map(len, small))


def test_words_are_split_into_the_longest_pieces():
    vectorized = WordPieceVectorizer(vocabulary_size=1000, min_df=1).fit_transform(
        ["played playing", "play, plays"] * 9, ["playful played!"], label_texts=["PLÁY"]
    )

    def tokens(matrix):
        return sorted(vectorized.vocabulary[column] for column in matrix.indices)

    assert tokens(vectorized.labels) == ["play"]
    # The training texts have no "f", "u" and "!", so "playful" and "!" are unknown.
    assert tokens(vectorized.test) == ["played"]


def test_test_texts_do_not_affect_the_fit():
    size = {"vocabulary_size": 60, "min_df": 2}
    alone = WordPieceVectorizer(**size).fit_transform(TRAIN, [], label_texts=LABELS)
    beside = WordPieceVectorizer(**size).fit_transform(TRAIN, ["zzz ba"] * 99, label_texts=LABELS)

    assert beside.vocabulary == alone.vocabulary
    np.testing.assert_array_equal(beside.train.toarray(), alone.train.toarray())
    assert beside.test.shape[0] == 99


def test_min_df_counts_training_and_label_texts():
    vocabulary = (
        WordPieceVectorizer(min_df=2).fit_transform(["aa", "b"], ["b"] * 9, label_texts=["aa"]).vocabulary
    )

    assert vocabulary == ("aa",)


def test_characters_after_the_thousandth_are_unknown():
    frequent = "".join(chr(0x4E00 + i) for i in range(1000))
    vectorized = WordPieceVectorizer(min_df=1).fit_transform(
        [frequent, frequent, "龥"], [], label_texts=["a"]
    )

    assert vectorized.vocabulary == tuple(sorted(frequent))
    assert vectorized.train.count_nonzero(axis=1).tolist() == [1000, 1000, 0]


def test_vocabulary_is_equal_in_every_process():
    """All letters are equally frequent here, so the many ties would show the order of a hash table."""
    script = (
        "from xcgraph.text.wordpiece import WordPieceVectorizer\n"
        "texts = [''.join(chr(97 + (i * j) % 26) for j in range(12)) for i in range(1, 99)]\n"
        "vectorizer = WordPieceVectorizer(vocabulary_size=150, min_df=1)\n"
        "print(vectorizer.fit_transform(texts, [], label_texts=texts).vocabulary)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]

    assert len(set(runs)) == 1
    assert runs[0].count(",") > 100


@pytest.mark.parametrize("wrong", [{"vocabulary_size": 0}, {"min_df": 0}])
def test_values_below_one_are_refused(wrong):
    with pytest.raises(UserError, match=rf"text\.{next(iter(wrong))} must be ≥ 1, got 0"):
        WordPieceVectorizer(**wrong)


def test_missing_package_names_the_install_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(UserError, match=r"package tokenizers.*pip install 'xcgraph\[tokenizers\]'"):
        WordPieceVectorizer()


def test_wordpiece_vectorizer_is_a_vectorizer():
    assert isinstance(WordPieceVectorizer(), Vectorizer)
