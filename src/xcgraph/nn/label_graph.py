"""The label-graph layer: a label's own text and what its neighbours in the graph say (GALE)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric import EdgeIndex

from xcgraph.batch import LabelSets
from xcgraph.errors import UserError

# A tensor per view, with a row per label: stacked to (labels, views, dim), they would be copied at each step.
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
    """How far texts travel over the graph: parameter-free, Ĝʰ · V for h = 0 to ``hops``.

    Attributes:
        hops: the number of graph views. 0 leaves only a label's own text (DECAF); ECLARE has 1.
    """

    hops: int = 1

    def __post_init__(self) -> None:
        if self.hops < 0:
            raise UserError(f"hops must be ≥ 0, got {self.hops}.")

    def __call__(self, texts: Float[Tensor, "labels dim"], graph: Callable[[Tensor], Tensor]) -> Views:
        """Return the texts, as the view of hop 0, and what they become after each hop."""
        views = [texts]
        for _ in range(self.hops):
            views.append(graph(views[-1]))
        return tuple(views)


class LabelGraphLayer(nn.Module):
    """ẑ¹ = R_0(Z E) and ẑ² = R_1(Ĝ Z E): one residual block per view (LTE and GALE, ECLARE section 3).

    The convolution acts on the raw sums of token embeddings; what is learned comes after it, so that only
    the labels that a batch asks for are computed.

    Args:
        text: source of the raw views, of hop 0 and up.
        hops: the hops that become views, at least one; 0 is the label's own text.
        make_block: makes the block of a view.
    """

    def __init__(self, text: nn.Module, hops: Sequence[int], make_block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.text = text
        self.hops = tuple(hops)
        self.blocks = nn.ModuleList(make_block() for _ in self.hops)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the learned views of the given labels, or of all."""
        raw: Views = self.text(label_ids)
        return tuple(block(raw[hop]) for hop, block in zip(self.hops, self.blocks, strict=True))


class MemberSums(nn.Module):
    """Views of meta-labels: the sums of their members' (û¹_m = Σ_{l ∈ C_m} E_L(z_l), DECAF Module II).

    Args:
        labels: the views of all labels.
        members: the labels of each meta-label.
    """

    def __init__(self, labels: nn.Module, members: LabelSets) -> None:
        super().__init__()
        self.labels = labels
        self.register_buffer("ids", members.ids, persistent=False)
        self.register_buffer("offsets", members.offsets, persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the views of the given meta-labels, or of all."""
        ids, offsets = cast(Tensor, self.ids), cast(Tensor, self.offsets)
        sums = (
            functional.embedding_bag(ids, view, offsets, mode="sum", include_last_offset=True)
            for view in self.labels()
        )
        return tuple(sums) if label_ids is None else tuple(view[label_ids] for view in sums)
