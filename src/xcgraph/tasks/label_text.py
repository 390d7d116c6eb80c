"""Whether the token embeddings learn on in Modules II to IV, and so what labels take their texts from."""

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
    """Freeze the encoder's embeddings and compute all raw views once (ECLARE; DECAF-lite).

    Args:
        encoder: embeds texts.
        texts: (labels, tokens) label texts Z.
        graph: (labels, labels) Ĝ.
        propagation: how many hops.
    """
    encoder.freeze_embedding()
    with torch.no_grad():
        return FrozenLabelText(propagation(encoder.embed(token_bag(texts)), _on_device(graph)))


def trained_text(
    encoder: Encoder, texts: csr_array, graph: csr_array, propagation: Propagation
) -> TiedLabelText:
    """Let labels and points train the embeddings (DECAF; Module I of both). Arguments as above."""
    hops = repeat(graph, propagation.hops)
    travelled = accumulate(hops, lambda bags, step: csr_array(step @ bags), initial=texts)
    return TiedLabelText(
        encoder.embed, [token_bag(bags) for bags in travelled], _on_device(graph), propagation
    )


def _on_device(graph: csr_array) -> Graph:
    edges = graph.tocoo()
    return Graph(
        torch.from_numpy(edges.row.astype("int64")),
        torch.from_numpy(edges.col.astype("int64")),
        torch.from_numpy(edges.data.astype("float32")),
        graph.shape[0],
    )
