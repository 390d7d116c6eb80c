from collections import Counter

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import label_sets
from xcgraph.nn.edges import Edges

# Rows 1 and 4 have no link; zeros are links that cannot be drawn.
LINKS = csr_array(
    (
        np.array([1, 0, 1, 1, 0, 1, 1, 1, 1], np.float32),
        np.array([0, 2, 3, 5, 1, 2, 3, 4, 5]),
        np.array([0, 4, 4, 8, 9, 9]),
    ),
    shape=(5, 6),
)
DRAWABLE = {0: {0, 3, 5}, 1: set(), 2: {2, 3, 4}, 3: {5}, 4: set()}


def make_edges(links=LINKS):
    return Edges(label_sets(links), torch.from_numpy(links.data > 0))


def drawable_of(edges):
    """Return the drawn columns of each row, after enough draws to find all of them."""
    torch.manual_seed(0)
    rows = torch.arange(len(edges)).repeat(60)
    found = {row: set() for row in range(len(edges))}
    for row, column in zip(rows.tolist(), edges.draw(rows, 1)[:, 0].tolist(), strict=True):
        if column >= 0:
            found[row].add(column)
    return found


def test_exactly_the_drawable_links_are_drawn():
    edges = make_edges()
    assert len(edges) == 5
    assert edges.num_drawable == 7
    assert drawable_of(edges) == DRAWABLE


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_drawn_columns_differ_and_missing_ones_are_minus_one(count):
    edges, rows = make_edges(), torch.tensor([3, 0, 1, 2, 0])
    for _ in range(20):
        for row, drawn in zip(rows.tolist(), edges.draw(rows, count).tolist(), strict=True):
            real = [column for column in drawn if column >= 0]
            assert len(real) == len(set(real)) == min(count, len(DRAWABLE[row]))
            assert set(real) <= DRAWABLE[row]
            assert drawn[len(real) :] == [-1] * (count - len(real))


@pytest.mark.parametrize("count", [1, 2])
def test_links_are_equally_likely(count):
    torch.manual_seed(1)
    drawn = make_edges().draw(torch.zeros(30_000, dtype=torch.int64), count)
    shares = {column: number / 30_000 for column, number in Counter(drawn.flatten().tolist()).items()}
    assert shares == pytest.approx(dict.fromkeys(DRAWABLE[0], count / 3), abs=0.015)


@pytest.mark.parametrize("columns", [[0, 1, 2, 3, 4, 5], [1, 3], [5], []])
def test_linked_matches_dense_matrix(columns):
    rows = [2, 0, 0, 4, 3, 1]
    dense = np.zeros(LINKS.shape, bool)
    dense[LINKS.tocoo().row, LINKS.tocoo().col] = True
    found = make_edges().linked(torch.tensor(rows), torch.tensor(columns, dtype=torch.int64))
    np.testing.assert_array_equal(found.numpy(), dense[np.ix_(rows, columns)])


def test_similarity_matches_inner_products():
    vectors, others = torch.randn(5, 4), torch.randn(6, 4)
    coo, rows = LINKS.tocoo(), torch.tensor([2, 0])
    expected = [
        float(vectors[r] @ others[c])
        for row in (2, 0)
        for r, c in zip(coo.row, coo.col, strict=True)
        if r == row
    ]
    found = make_edges().similarity(rows, vectors[rows], others)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_pruned_links_are_not_drawn_but_stay_linked():
    edges = make_edges()
    kept = torch.tensor([False, True, True, True, True, False, False, True, False])
    before = edges.linked(torch.arange(5), torch.arange(6))
    edges.keep(kept)
    # The second and the fifth link cannot be drawn at all.
    assert drawable_of(edges) == {0: {3, 5}, 1: set(), 2: {4}, 3: set(), 4: set()}
    assert torch.equal(edges.linked(torch.arange(5), torch.arange(6)), before)
    edges.keep(torch.ones(9, dtype=torch.bool))
    assert drawable_of(edges) == DRAWABLE


def test_pruning_is_stored_with_the_weights():
    edges, other = make_edges(), make_edges()
    edges.keep(torch.zeros(9, dtype=torch.bool))
    assert edges.state_dict().keys() == {"drawable_before"}
    other.load_state_dict(edges.state_dict())
    assert other.num_drawable == 0


def test_graph_without_links_draws_nothing():
    edges = make_edges(csr_array((3, 4), dtype=np.float32))
    rows = torch.tensor([0, 2])
    assert edges.draw(rows, 2).tolist() == [[-1, -1], [-1, -1]]
    assert not edges.linked(rows, torch.tensor([1, 2])).any()
    assert edges.similarity(rows, torch.ones(2, 3), torch.ones(4, 3)).shape == (0,)
