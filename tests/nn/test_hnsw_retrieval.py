import importlib.util

import pytest
import torch
from torch.nn import functional

from xcgraph.errors import UserError
from xcgraph.nn.hnsw_retrieval import HnswRetrieval
from xcgraph.nn.retrieval import ExactRetrieval


def test_wide_search_matches_exact_search():
    points, labels = (functional.normalize(torch.randn(count, 16)) for count in (50, 300))
    found, values = HnswRetrieval(search_width=300).index(labels)(points, 10)
    expected, products = ExactRetrieval().index(labels)(points, 10)
    assert (found == expected).float().mean() > 0.98
    same = found == expected
    torch.testing.assert_close(values[same], products[same])


def test_index_is_deterministic():
    points, labels = torch.randn(20, 16), torch.randn(2000, 16)
    hasty = HnswRetrieval(num_links=4, construction_width=5, search_width=5)
    first, second = (hasty.index(labels)(points, 5)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_missing_labels_are_minus_one():
    found, _ = HnswRetrieval().index(torch.randn(3, 4))(torch.randn(2, 4), 5)
    assert found.shape == (2, 5)
    assert (found[:, 3:] == -1).all()


@pytest.mark.parametrize("name", ["num_links", "construction_width", "search_width"])
def test_values_below_one_are_refused(name):
    with pytest.raises(UserError, match=rf"retrieval\.{name} must be ≥ 1, got 0"):
        HnswRetrieval(**{name: 0})


def test_missing_faiss_is_reported_early(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"retrieval=hnsw needs faiss: pip install 'xcgraph\[ann\]'"):
        HnswRetrieval()
