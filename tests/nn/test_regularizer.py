import logging

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import label_sets, token_bag
from xcgraph.nn.contrast import ContrastLoss, EncodedRows
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.edges import Edges
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.pruning import NoPruning, ScheduledPruning
from xcgraph.nn.regularizer import GraphRegularizer, NoRegularizer
from xcgraph.nn.regularizer_weight import BanditWeight, FixedWeight
from xcgraph.nn.triplet import TripletLoss

NUM_TOKENS, NUM_ANCHORS = 20, 8
ANCHOR_TEXTS = csr_array(np.random.default_rng(0).random((NUM_ANCHORS, NUM_TOKENS)).astype(np.float32) - 0.5)
OF_POINTS = csr_array((np.random.default_rng(1).random((10, NUM_ANCHORS)) < 0.4).astype(np.float32))
OF_LABELS = csr_array((np.random.default_rng(2).random((6, NUM_ANCHORS)) < 0.4).astype(np.float32))


@pytest.fixture
def encoder():
    return DualEncoder(BagOfTokens(NUM_TOKENS, dim=6))


def make_term(links):
    edges = Edges(label_sets(links), torch.from_numpy(links.data > 0))
    return ContrastLoss(edges, StoredTexts(token_bag(ANCHOR_TEXTS)), TripletLoss())


def make_regularizer(regularizer_weight=None, pruning=None):
    regularizer_weight = regularizer_weight or FixedWeight(2, value=0.25)
    return GraphRegularizer(
        [make_term(OF_POINTS)], [make_term(OF_LABELS)], regularizer_weight, pruning or NoPruning()
    )


def encoded(rows):
    return EncodedRows(torch.tensor(rows), torch.nn.functional.normalize(torch.randn(len(rows), 6)))


def test_penalty_is_the_weighted_sum_of_terms(encoder):
    regularizer_weight = FixedWeight(2)
    regularizer_weight.value.copy_(torch.tensor([0.5, 2.0]))
    regularizer = make_regularizer(regularizer_weight)
    points, labels = encoded([3, 1, 8]), encoded([0, 5])
    torch.manual_seed(1)
    found = regularizer(encoder, points, labels)
    torch.manual_seed(1)
    of_points = regularizer.of_points[0](encoder, points).loss
    of_labels = regularizer.of_labels[0](encoder, labels).loss
    torch.testing.assert_close(found, 0.5 * of_points + 2 * of_labels)
    assert of_points > 0
    assert of_labels > 0
    assert not torch.isclose(of_points, of_labels)


def test_no_regularizer_has_no_penalty(encoder):
    def refuse():
        raise AssertionError("Nothing is to be computed.")

    none = NoRegularizer()
    none.update(refuse)
    none.start_epoch(10, encoder, refuse, refuse)
    assert float(none(encoder, encoded([1]), encoded([2]))) == 0


def test_precision_reaches_the_bandit():
    bandit = BanditWeight(2, every_steps=1)
    make_regularizer(bandit).update(lambda: torch.tensor(0.75))
    assert float(bandit.baseline) == 0.75


def drawn_pairs(edges):
    torch.manual_seed(0)
    rows = torch.arange(len(edges)).repeat(80)
    pairs = set(zip(rows.tolist(), edges.draw(rows, 1)[:, 0].tolist(), strict=True))
    return {pair for pair in pairs if pair[1] >= 0}


@pytest.mark.parametrize("min_similarity", [0.0, 0.4, -1.0])
def test_pruning_keeps_edges_between_similar_ends(encoder, min_similarity, caplog):
    caplog.set_level(logging.INFO)
    pruning = ScheduledPruning(warmup_epochs=2, every_epochs=3, min_similarity=min_similarity)
    regularizer = make_regularizer(pruning=pruning)
    points, labels = encoded(range(10)), encoded(range(6))
    anchors = encoder(token_bag(ANCHOR_TEXTS))

    def blocks(whole):
        return lambda: [
            EncodedRows(rows, vectors)
            for rows, vectors in zip(whole.rows.split(4), whole.vectors.split(4), strict=True)
        ]

    terms = ((regularizer.of_points[0], points, OF_POINTS), (regularizer.of_labels[0], labels, OF_LABELS))
    for epoch in (0, 1, 3, 4):
        regularizer.start_epoch(epoch, encoder, blocks(points), blocks(labels))
        assert [term.edges.num_drawable for term, *_ in terms] == [OF_POINTS.nnz, OF_LABELS.nnz]
    assert not caplog.text
    regularizer.start_epoch(2, encoder, blocks(points), blocks(labels))
    for term, rows, links in terms:
        coo = links.tocoo()
        expected = {
            (row, column)
            for row, column in zip(coo.row.tolist(), coo.col.tolist(), strict=True)
            if float(rows.vectors[row] @ anchors[column]) > min_similarity
        }
        assert drawn_pairs(term.edges) == expected
        assert f"keeps {len(expected)} of {links.nnz} edges" in caplog.text


def test_pruned_edge_comes_back_when_its_ends_are_similar_again(encoder):
    regularizer = make_regularizer(pruning=ScheduledPruning(warmup_epochs=0, every_epochs=1))
    anchors = encoder(token_bag(ANCHOR_TEXTS)).detach()
    away, towards = (
        lambda sign=sign: [EncodedRows(torch.arange(10), sign * anchors[[0]].expand(10, -1))]
        for sign in (-1, 1)
    )
    nothing = lambda: [encoded(range(6))]  # noqa: E731
    edges = regularizer.of_points[0].edges
    counts = []
    for points in (away, towards):
        regularizer.start_epoch(0, encoder, points, nothing)
        counts.append(sum(column == 0 for _, column in drawn_pairs(edges)))
    assert counts == [0, OF_POINTS[:, [0]].nnz]


def test_pruned_edges_survive_a_state_dict(encoder):
    first, second = (make_regularizer(pruning=ScheduledPruning(warmup_epochs=0)) for _ in range(2))
    first.start_epoch(0, encoder, lambda: [encoded(range(10))], lambda: [encoded(range(6))])
    second.load_state_dict(first.state_dict())
    for name in ("of_points", "of_labels"):
        before, after = (getattr(regularizer, name)[0].edges for regularizer in (first, second))
        assert drawn_pairs(before) == drawn_pairs(after)
        assert before.num_drawable < len(before.columns)
