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
from xcgraph.nn.triplet import TripletLoss

NUM_ROWS, NUM_COLUMNS, NUM_TOKENS = 12, 9, 20


@pytest.fixture
def links():
    """Random links; row 4 has none."""
    rng = np.random.default_rng(3)
    dense = (rng.random((NUM_ROWS, NUM_COLUMNS)) < 0.35).astype(np.float32)
    dense[4] = 0
    return csr_array(dense)


@pytest.fixture
def encoder():
    return DualEncoder(BagOfTokens(NUM_TOKENS, dim=6))


def make_contrast(links, **changes):
    texts = csr_array(np.random.default_rng(4).random((NUM_COLUMNS, NUM_TOKENS)).astype(np.float32) - 0.3)
    edges = Edges(label_sets(links), torch.from_numpy(links.data > 0))
    return ContrastLoss(edges, StoredTexts(token_bag(texts)), TripletLoss(**changes)), texts


def encoded(rows):
    vectors = torch.nn.functional.normalize(torch.randn(len(rows), 6))
    return EncodedRows(torch.tensor(rows), vectors.requires_grad_())


@pytest.mark.parametrize(("num_positives", "num_negatives"), [(1, 1), (2, 3), (2, 12)])
def test_loss_matches_naive_loop(links, encoder, monkeypatch, num_positives, num_negatives):
    """The loop takes the drawn positives as given, and finds negatives in the dense matrix."""
    contrast, texts = make_contrast(links, num_positives=num_positives, num_negatives=num_negatives)
    rows = encoded([7, 0, 4, 3, 11])
    drawn = contrast.edges.draw(rows.rows, num_positives)
    monkeypatch.setattr(contrast.edges, "draw", lambda *_: drawn)
    found = contrast(encoder, rows)
    in_batch = sorted({column for column in drawn.flatten().tolist() if column >= 0})
    anchors = {column: encoder(token_bag(texts[[column]]))[0] for column in in_batch}
    losses = []
    for place, row in enumerate([7, 0, 4, 3, 11]):
        own = rows.vectors[place]
        rivals = sorted((float(own @ anchors[c]) for c in in_batch if links[row, c] == 0), reverse=True)
        for column in drawn[place].tolist():
            if column >= 0:
                hinges = [
                    max(0, rival - float(own @ anchors[column]) + 0.3) for rival in rivals[:num_negatives]
                ]
                losses.append(sum(hinges) / min(num_negatives, len(in_batch)))
    assert float(found.loss.detach()) == pytest.approx(np.mean(losses), rel=1e-4)
    assert found.others.rows.tolist() == in_batch
    torch.testing.assert_close(found.others.vectors, torch.stack([anchors[c] for c in in_batch]))


def test_linked_columns_are_no_negatives(encoder):
    """Row 0 is linked to all drawn columns, so none of them is pushed away from it."""
    links = csr_array(np.array([[1, 1, 1], [0, 1, 0], [0, 0, 1]], np.float32))
    texts = token_bag(csr_array(np.eye(3, NUM_TOKENS, dtype=np.float32)))
    edges = Edges(label_sets(links), torch.from_numpy(links.data > 0))
    contrast = ContrastLoss(edges, StoredTexts(texts), TripletLoss(num_positives=3, margin=2.0))
    rows = encoded([0, 1, 2])
    contrast(encoder, rows).loss.backward()
    assert not rows.vectors.grad[0].any()
    assert rows.vectors.grad[1:].any(dim=1).all()


def test_rows_and_drawn_texts_have_gradients(links, encoder):
    contrast, _ = make_contrast(links, margin=2.0)
    rows = encoded([7, 0])
    contrast(encoder, rows).loss.backward()
    assert rows.vectors.grad.any(dim=1).all()
    assert encoder.encoder.embedding.weight.grad.any()


def test_precision_is_the_share_of_rows_whose_best_column_is_linked(links, encoder):
    contrast, _ = make_contrast(links)
    rows = encoded([7, 0, 4, 3, 11, 5, 2])
    found = contrast(encoder, rows)
    best = found.others.rows[(rows.vectors @ found.others.vectors.T).argmax(dim=1)]
    hits = [bool(links[row, column]) for row, column in zip(rows.rows.tolist(), best.tolist(), strict=True)]
    assert float(found.precision()) == pytest.approx(np.mean(hits))


def test_batch_without_links_has_no_loss(links, encoder):
    contrast, _ = make_contrast(links)
    found = contrast(encoder, encoded([4, 4]))
    assert float(found.loss.detach()) == float(found.precision()) == 0
    assert found.others.vectors.shape == (0, 6)
