"""The label correlation graph Ĝ as a module, and how texts propagate over it (GALE, ECLARE section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric import EdgeIndex

from xcgraph.errors import UserError

# One tensor per view, with one row per label: stacking views as (labels, views, dim) would copy them.
Views: TypeAlias = tuple[Float[Tensor, "labels dim"], ...]


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
    """Propagate texts over the graph: Ĝʰ · V for h = 0 to ``hops``. It has no parameters.

    Attributes:
        hops: the number of graph views. 0 keeps only the label's own text (DECAF); ECLARE has 1.
    """

    hops: int = 1

    def __post_init__(self) -> None:
        if self.hops < 0:
            raise UserError(f"hops must be ≥ 0, got {self.hops}.")

    def __call__(self, texts: Float[Tensor, "labels dim"], graph: Callable[[Tensor], Tensor]) -> Views:
        """Return the texts, which are the view of hop 0, and the view of each further hop."""
        views = [texts]
        for _ in range(self.hops):
            views.append(graph(views[-1]))
        return tuple(views)
