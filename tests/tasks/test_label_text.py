from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.label_graph import Propagation
from xcgraph.tasks.label_text import frozen_text, trained_text

# The columns of a row are not sorted.
GRAPH = csr_array(
    (np.array([0.5, 0.25, 1, 0.7, 0.1], np.float32), np.array([2, 0, 1, 3, 0]), np.array([0, 2, 3, 3, 5])),
    shape=(4, 4),
)
TEXTS = csr_array(
    np.array([[1, 0, 0, 0.5, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0.1, 0, 0.2, 0, 0.3]], np.float32)
)
IDS = torch.tensor([3, 1, 3])


def make_encoder():
    torch.manual_seed(0)
    return BagOfTokens(5, dim=3)


def dense_views(encoder, hops):
    text, graph = (torch.from_numpy(part.toarray()) for part in (TEXTS, GRAPH))
    text = text @ encoder.embedding.weight.detach()
    return tuple(torch.linalg.matrix_power(graph, hop) @ text for hop in range(hops + 1))


@pytest.mark.parametrize("make", [frozen_text, trained_text])
@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_raw_views_match_dense_products(make, hops):
    encoder = make_encoder()
    text = make(encoder, TEXTS, GRAPH, Propagation(hops))
    expected = dense_views(encoder, hops)
    torch.testing.assert_close(text(), expected)
    torch.testing.assert_close(text(IDS), tuple(view[IDS] for view in expected))


@pytest.mark.parametrize(("make", "learns"), [(frozen_text, False), (trained_text, True)])
def test_only_trained_text_trains_the_embeddings(make, learns):
    encoder = make_encoder()
    text = make(encoder, TEXTS, GRAPH, Propagation(1))
    assert encoder.embedding.weight.requires_grad == learns
    assert {view.requires_grad for view in (*text(IDS), *text())} == {learns}


def test_trained_text_follows_the_embeddings_and_frozen_text_does_not():
    encoder = make_encoder()
    frozen, trained = (make(encoder, TEXTS, GRAPH, Propagation(1)) for make in (frozen_text, trained_text))
    before = tuple(view.clone() for view in frozen(IDS))
    with torch.no_grad():
        encoder.embedding.weight.mul_(2)
    torch.testing.assert_close(frozen(IDS), before, rtol=0, atol=0)
    torch.testing.assert_close(trained(IDS), tuple(2 * view for view in before))


def test_arguments_are_not_changed():
    before = [part.toarray() for part in (TEXTS, GRAPH)]
    partial(trained_text)(make_encoder(), TEXTS, GRAPH, Propagation(2))
    assert all(np.array_equal(part.toarray(), old) for part, old in zip((TEXTS, GRAPH), before, strict=True))
