"""Builds the text views of labels from frozen or trained token embeddings."""

from itertools import accumulate, repeat

import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import token_bag
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.label_graph import Graph, Propagation
from xcgraph.nn.label_text import FrozenLabelText, TiedLabelText


def frozen_text(
    encoder: Encoder, texts: csr_array, graph: csr_array, propagation: Propagation
) -> FrozenLabelText:
    """Freeze the encoder's embeddings and compute the raw views of all labels once (ECLARE; DECAF-lite).

    Args:
        encoder: embeds texts.
        texts: (labels, tokens) label texts Z.
        graph: (labels, labels) Ĝ.
        propagation: the number of hops.
    """
    encoder.freeze_embedding()
    with torch.no_grad():
        return FrozenLabelText(propagation(encoder.embed(token_bag(texts)), _to_module(graph)))


def trained_text(
    encoder: Encoder, texts: csr_array, graph: csr_array, propagation: Propagation
) -> TiedLabelText:
    """Let labels and points train the embeddings (DECAF; Module I of ECLARE and DECAF).

    It takes the same arguments as :func:`frozen_text`.
    """
    hops = repeat(graph, propagation.hops)
    propagated = accumulate(hops, lambda bags, step: csr_array(step @ bags), initial=texts)
    return TiedLabelText(
        encoder.embed, [token_bag(bags) for bags in propagated], _to_module(graph), propagation
    )


def _to_module(graph: csr_array) -> Graph:
    edges = graph.tocoo()
    return Graph(
        torch.from_numpy(edges.row.astype("int64")),
        torch.from_numpy(edges.col.astype("int64")),
        torch.from_numpy(edges.data.astype("float32")),
        graph.shape[0],
    )
