import importlib.util

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.text.token_ids import TokenIdVectorizer

UNKNOWN, BEGINNING, END, FIRST_WORD = 1, 2, 3, 5


def test_rows_hold_token_ids_in_reading_order(tiny_model, monkeypatch):
    monkeypatch.setattr("xcgraph.text.token_ids._BATCH", 2)  # several batches
    texts = ["w7 w1 w7", "", "what w0", "w1 w2 w3 w4 w5 w6"]
    found = TokenIdVectorizer(model=tiny_model, max_length=6).fit_transform(
        iter(texts), [], label_texts=["w2"]
    )
    words = lambda *numbers: [FIRST_WORD + number for number in numbers]  # noqa: E731
    expected = [
        [BEGINNING, *words(7, 1, 7), END],
        [BEGINNING, END],
        [BEGINNING, UNKNOWN, *words(0), END],
        [BEGINNING, *words(1, 2, 3, 4), END],
    ]
    rows = [row[row > 0].astype(int) - 1 for row in found.train.toarray()]
    assert [row.tolist() for row in rows] == expected
    assert found.train.dtype == np.float32
    assert found.train.has_canonical_format
    assert found.test.shape == (0, 6)
    assert found.labels.toarray()[0].tolist() == [1 + token for token in (BEGINNING, *words(2), END)] + [
        0,
        0,
        0,
    ]
    assert found.vocabulary == ()


def test_missing_model_is_refused(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"text\.model: .*Hugging Face model"):
        TokenIdVectorizer(model=str(tmp_path)).fit_transform(["a"], [], label_texts=["b"])


def test_max_length_below_one_is_refused(tiny_model):
    with pytest.raises(UserError, match=r"text\.max_length must be ≥ 1, got 0"):
        TokenIdVectorizer(model=tiny_model, max_length=0)


def test_missing_package_names_the_install_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"text=token_ids .*pip install 'xcgraph\[transformers\]'"):
        TokenIdVectorizer(model="anything")
