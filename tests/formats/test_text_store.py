from typing import ClassVar

import numpy as np
import pytest

from xcgraph.formats.text_lines import TextLines
from xcgraph.formats.text_store import read_features
from xcgraph.text.vectorizer import WordVectorizer
from xcgraph.text.wordpiece import WordPieceVectorizer

LINES = {"train": ["red wine", "tea"], "test": ["wine of china"], "labels": ["wine", "tea"]}


class CountingVectorizer(WordVectorizer):
    calls: ClassVar = []

    def fit_transform(self, *args, **kwargs):
        self.calls.append(args)
        return super().fit_transform(*args, **kwargs)


@pytest.fixture
def files(folder):
    return {part: TextLines(folder.write(f"{part}.txt", *lines)) for part, lines in LINES.items()}


@pytest.mark.parametrize(
    "text", [WordVectorizer(min_df=1), WordPieceVectorizer(vocabulary_size=60, min_df=1)], ids=str
)
def test_features_match_texts_in_memory(folder, files, text):
    found = read_features(files, text, folder.cache)
    expected = text.fit_transform(LINES["train"], LINES["test"], label_texts=LINES["labels"])

    assert found.vocabulary == expected.vocabulary
    for part in LINES:
        matrix = getattr(found, part)
        np.testing.assert_array_equal(matrix.toarray(), getattr(expected, part).toarray())
        assert isinstance(matrix.data.base, np.memmap)


def test_features_are_computed_once_per_vectorizer_and_content(folder, files):
    for min_df, calls in ((1, 1), (1, 1), (2, 2), (1, 2)):
        read_features(files, CountingVectorizer(min_df=min_df), folder.cache)
        assert len(CountingVectorizer.calls) == calls
    folder.write("test.txt", "tea of china")
    read_features(files, CountingVectorizer(min_df=1), folder.cache)
    assert len(CountingVectorizer.calls) == 3


def test_note_is_logged_once_at_each_read(folder, files, caplog):
    files["test"] = TextLines(folder.write("test.txt", "thé", "tea", "tè", encoding="latin-1"))
    for _ in range(2):
        read_features(files, WordPieceVectorizer(vocabulary_size=60, min_df=1), folder.cache)

    messages = [record.getMessage() for record in caplog.records]
    assert (
        messages
        == [f"{files['test'].source}: 2 lines are not UTF-8, the first is line 1: read as Latin-1."] * 2
    )
