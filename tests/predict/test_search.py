"""The search is exact for any vectors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcgraph.predict.search import ExactSearch


def exact(vectors, points, k):
    products = points.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), products.shape), -products))
    return products, order[:, :k]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.one_of(st.integers(1, 40), st.integers(41, 1500)),
    dim=st.sampled_from([1, 3, 16, 64]),
    points=st.sampled_from([1, 4, 5, 17]),
    spread=st.floats(0, 4),
    offset=st.floats(0, 10),
)
def test_search_finds_the_largest_products(seed, count, dim, points, spread, offset):
    """Norms span orders of magnitude, and a common direction makes all products nearly equal."""
    rng = np.random.default_rng(seed)
    scale = np.exp(spread * rng.normal(size=(count, 1)))
    vectors = (scale * (offset + rng.normal(size=(count, dim)))).astype(np.float32)
    asked = rng.normal(size=(points, dim)).astype(np.float32)
    k = min(count, int(rng.choice([1, 2, 7, 50])))

    found, values = ExactSearch(vectors)(asked, k)

    products, order = exact(vectors, asked, k)
    rows = np.arange(points)[:, None]
    rounding = (
        1e-6 * dim * np.linalg.norm(vectors, axis=1).max() * np.linalg.norm(asked, axis=1, keepdims=True)
    )
    assert all(len(set(row)) == k for row in found.tolist())
    assert (np.abs(values - products[rows, found]) <= rounding).all()
    assert (np.abs(values - products[rows, order]) <= 2 * rounding).all()
    assert (np.diff(values, axis=1) <= 0).all()


def test_search_is_exact_without_bfloat16(monkeypatch):
    rng = np.random.default_rng(0)
    vectors, points = (rng.normal(size=(count, 16)).astype(np.float32) for count in (300, 20))
    found = ExactSearch(vectors)(points, 7)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)

    slow = ExactSearch(vectors)

    assert slow._halves is None
    np.testing.assert_array_equal(slow(points, 7), found)


@pytest.mark.parametrize("points", [1, 40])
def test_ties_go_to_the_smaller_number(points):
    vectors = np.ones((300, 8), np.float32)
    vectors[200:] = 2

    found, _ = ExactSearch(vectors)(np.ones((points, 8), np.float32), 103)

    assert found.tolist() == [[*range(200, 300), 0, 1, 2]] * points


@pytest.mark.parametrize("points", [1, 40])
def test_zero_vectors_are_found(points):
    found, values = ExactSearch(np.zeros((3, 4), np.float32))(np.ones((points, 4), np.float32), 2)

    assert found.tolist() == [[0, 1]] * points
    assert (values == 0).all()


def test_compressed_vectors_alone_miss_some_products():
    """Without the second product, neither compression is exact; the tests above can thus fail."""
    rng = np.random.default_rng(0)
    vectors, point = (
        rng.normal(size=(2000, 64)).astype(np.float32),
        rng.normal(size=(1, 64)).astype(np.float32),
    )
    search = ExactSearch(vectors)
    _, order = exact(vectors, point, 50)

    codes = search._codes * search._steps[:, None]
    for compressed in (codes, search._halves.float().numpy()):
        _, wrong = exact(compressed, point, 50)
        assert wrong.tolist() != order.tolist()
    assert search(point, 50)[0].tolist() == order.tolist()
