"""The label-graph layer: a label's own text and what its neighbours in the graph say (GALE)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric import EdgeIndex

from xcgraph.batch import TokenBag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import ResidualBlock


class Graph(nn.Module):
    """A normalised label correlation graph Ĝ on the module's device, as torch-geometric's ``EdgeIndex``.

    Args:
        rows: the label at the head of each edge, ascending.
        columns: its neighbour.
        weights: the edge's entry in Ĝ.
        num_labels: the number of labels.

    Raises:
        ValueError: the rows do not ascend, or a label lies outside [0, num_labels).
    """

    def __init__(
        self,
        rows: Int[Tensor, "edges"],
        columns: Int[Tensor, "edges"],
        weights: Float[Tensor, "edges"],
        num_labels: int,
    ) -> None:
        super().__init__()
        edges = EdgeIndex(
            torch.stack([rows, columns]), sparse_size=(num_labels, num_labels), sort_order="row"
        )
        # Dense buffers: torch's own sparse tensors break DDP and deepcopy.
        self.register_buffer("edges", edges.validate().fill_cache_(), persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, vectors: Float[Tensor, "labels dim"]) -> Float[Tensor, "labels dim"]:
        """Return Ĝ · vectors."""
        edges: EdgeIndex = self.edges
        product: Tensor = edges.matmul(vectors, input_value=self.weights)
        return product


@dataclass(frozen=True)
class Propagation:
    """How far texts travel over the graph: parameter-free, Ĝʰ · V for h = 0 to ``hops``.

    Attributes:
        hops: the number of graph views. 0 leaves only a label's own text (DECAF); ECLARE has 1.
    """

    hops: int = 1

    def __post_init__(self) -> None:
        if self.hops < 0:
            raise UserError(f"hops must be ≥ 0, got {self.hops}.")

    @property
    def num_views(self) -> int:
        """The label's own text and one view per hop."""
        return 1 + self.hops

    def __call__(
        self, texts: Float[Tensor, "labels dim"], graph: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "labels views dim"]:
        """Return the texts and what they become after each hop."""
        views = [texts]
        for _ in range(self.hops):
            views.append(graph(views[-1]))
        return torch.stack(views, dim=1)


class TiedLabelText(nn.Module):
    """Views of label texts that learn with the token embeddings (Module I): recomputed at every step.

    Args:
        embed: the encoder's embedding of texts.
        texts: the texts of all labels.
        graph: the label correlation graph.
        propagation: how many hops.
    """

    def __init__(
        self,
        embed: Callable[[TokenBag], Tensor],
        texts: TokenBag,
        graph: Graph,
        propagation: Propagation,
    ) -> None:
        super().__init__()
        self._embed = embed
        self._propagation = propagation
        self.graph = graph
        for part in ("tokens", "weights", "offsets"):
            self.register_buffer(part, getattr(texts, part), persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Float[Tensor, "labels views dim"]:
        """Return the raw views of the given labels, or of all."""
        texts = TokenBag(self.tokens, self.weights, self.offsets)  # type: ignore[arg-type]
        views = self._propagation(self._embed(texts), self.graph)
        return views if label_ids is None else views[label_ids]


class FrozenLabelText(nn.Module):
    """Views of label texts under frozen embeddings (Modules II to IV): propagated once, kept as a buffer.

    Args:
        views: all labels' raw views.
    """

    def __init__(self, views: Float[Tensor, "labels views dim"]) -> None:
        super().__init__()
        self.register_buffer("views", views, persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Float[Tensor, "labels views dim"]:
        """Return the raw views of the given labels, or of all."""
        views: Tensor = self.views  # type: ignore[assignment]
        return views if label_ids is None else views[label_ids]


class LabelGraphLayer(nn.Module):
    """ẑ¹ = R_0(Z E) and ẑ² = R_1(Ĝ Z E): one residual block per view (LTE and GALE, ECLARE section 3).

    The convolution acts on the raw sums of token embeddings; what is learned comes after it, so that only
    the labels that a batch asks for are computed.

    Args:
        text: source of the raw views.
        num_views: the label's own text and one per hop.
        dim: length of the vectors.
        dropout: probability in each block.
    """

    def __init__(self, text: nn.Module, *, num_views: int, dim: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.text = text
        self.blocks = nn.ModuleList(ResidualBlock(dim, dropout) for _ in range(num_views))

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Float[Tensor, "labels views dim"]:
        """Return the learned views of the given labels, or of all."""
        raw = self.text(label_ids)
        return torch.stack([block(raw[:, view]) for view, block in enumerate(self.blocks)], dim=1)
