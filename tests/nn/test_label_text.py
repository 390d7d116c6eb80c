import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

from xcgraph.data.batching import token_bag
from xcgraph.nn.label_graph import Graph, Propagation
from xcgraph.nn.label_text import FrozenLabelText, StoredTexts, TiedLabelText

# Not symmetric; label 3 has no neighbours, and label 1 is no neighbour of a label.
GRAPH = np.array([[0.5, 0, 0.25, 0], [0.1, 0, 0, 0.7], [0, 0, 1.5, 0], [0, 0, 0, 0]], np.float32)
TEXTS = np.array([[1, 0, 0, 0.5, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0.1, 0, 0.2, 0, 0.3]], np.float32)
IDS = torch.tensor([3, 0, 3])
SOME_OR_ALL = [None, IDS, torch.tensor([], dtype=torch.int64)]


def make_embedding(seed=0):
    torch.manual_seed(seed)
    return nn.EmbeddingBag(5, 3, mode="sum", include_last_offset=True)


def make_tied(embedding, hops=2):
    dense = torch.from_numpy(GRAPH)
    rows, columns = dense.nonzero(as_tuple=True)
    travelled = [token_bag(csr_array(np.linalg.matrix_power(GRAPH, hop) @ TEXTS)) for hop in range(hops + 1)]

    def embed(texts):
        return embedding(texts.tokens, texts.offsets, per_sample_weights=texts.weights)

    return TiedLabelText(embed, travelled, Graph(rows, columns, dense[rows, columns], 4), Propagation(hops))


def dense_views(table, hops=2):
    graph, text = torch.from_numpy(GRAPH), torch.from_numpy(TEXTS) @ table
    return tuple(torch.linalg.matrix_power(graph, hop) @ text for hop in range(hops + 1))


def of_rows(views, label_ids):
    return views if label_ids is None else tuple(view[label_ids] for view in views)


@pytest.mark.parametrize("label_ids", SOME_OR_ALL)
def test_stored_texts_are_selected_by_label(label_ids):
    found = StoredTexts(token_bag(csr_array(TEXTS)))(label_ids)
    expected = token_bag(csr_array(TEXTS if label_ids is None else TEXTS[label_ids]))
    for part in ("tokens", "weights", "offsets"):
        assert torch.equal(getattr(found, part), getattr(expected, part))


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("label_ids", SOME_OR_ALL)
def test_tied_and_frozen_views_match_dense_products(label_ids, hops):
    embedding = make_embedding()
    expected = dense_views(embedding.weight, hops)
    frozen = FrozenLabelText(tuple(view.detach() for view in expected))
    expected = of_rows(expected, label_ids)
    torch.testing.assert_close(make_tied(embedding, hops)(label_ids), expected)
    torch.testing.assert_close(frozen(label_ids), expected)


@pytest.mark.parametrize("label_ids", [None, IDS])
def test_tied_texts_train_the_token_embeddings(label_ids):
    embedding, weights = make_embedding(), torch.randn(4 if label_ids is None else 3, 3, 3)
    (torch.stack(make_tied(embedding)(label_ids), dim=1) * weights).sum().backward()

    table = embedding.weight.detach().clone().requires_grad_()
    (torch.stack(of_rows(dense_views(table), label_ids), dim=1) * weights).sum().backward()
    torch.testing.assert_close(embedding.weight.grad, table.grad)


def test_only_requested_texts_are_embedded():
    asked = []

    def embed(texts):
        asked.append(len(texts.offsets) - 1)
        return torch.zeros(asked[-1], 3)

    tied = make_tied(make_embedding())
    tied._embed = embed
    assert [view.shape for view in tied(IDS)] == [(3, 3)] * 3
    assert asked == [3, 3, 3]


def test_label_texts_have_no_state():
    assert list(make_tied(make_embedding()).state_dict()) == []
    assert list(FrozenLabelText((torch.zeros(4, 3),) * 2).state_dict()) == []


def test_survives_copies(assert_survives):
    views = torch.randn(2, 4, 3).unbind()
    assert_survives(FrozenLabelText(views), FrozenLabelText(views), IDS)
