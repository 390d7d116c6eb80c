"""Edges from points or labels to labels or anchors: drawn as positives, kept from being negatives, pruned."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.batch import LabelSets, entries_of


class Edges(nn.Module):
    """What the rows of a graph are linked to.

    A link that may not be drawn, or not any more, still keeps its column from being a negative of its row:
    an edge that was pruned is in doubt, not refuted.

    Args:
        links: the columns of each row.
        drawable: which links may be drawn as positives.
    """

    columns: Tensor
    offsets: Tensor
    drawable: Tensor
    drawable_before: Tensor

    def __init__(self, links: LabelSets, drawable: Bool[Tensor, "links"]) -> None:
        super().__init__()
        self.register_buffer("columns", links.ids, persistent=False)
        self.register_buffer("offsets", links.offsets, persistent=False)
        self.register_buffer("drawable", drawable, persistent=False)
        # How many drawable links stand before each: pruning changes it, so it is stored with the weights.
        self.register_buffer("drawable_before", functional.pad(drawable.cumsum(0), (1, 0)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_drawable(self) -> int:
        """How many links may be drawn now."""
        return int(self.drawable_before[-1])

    def draw(self, rows: Int[Tensor, "rows"], count: int) -> Int[Tensor, "rows count"]:
        """Draw different columns of each row, all with the same probability; -1 where it has fewer."""
        first = self.drawable_before[self.offsets[rows]][:, None]
        available = self.drawable_before[self.offsets[rows + 1]][:, None] - first
        turns = torch.arange(count, device=rows.device)
        # A random link and those that follow in a circle: different ones, without a loop over rows.
        start = (torch.rand(first.shape, device=rows.device) * available).long()
        number = first + (start + turns) % available.clamp(min=1)
        link = torch.searchsorted(self.drawable_before, number, right=True) - 1
        missing = turns >= available
        return functional.pad(self.columns, (0, 1))[link.masked_fill(missing, 0)].masked_fill(missing, -1)

    def linked(
        self, rows: Int[Tensor, "rows"], columns: Int[Tensor, "columns"]
    ) -> Bool[Tensor, "rows columns"]:
        """Say which of the columns each row is linked to, drawable or not.

        Args:
            rows: in any order.
            columns: ascending, each once.
        """
        owner, link = self._links_of(rows)
        mask = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=rows.device)
        asked = torch.isin(self.columns[link], columns)
        place = torch.searchsorted(columns, self.columns[link[asked]])
        mask[owner[asked], place] = True
        return mask

    def similarity(
        self,
        rows: Int[Tensor, "rows"],
        vectors: Float[Tensor, "rows dim"],
        others: Float[Tensor, "columns dim"],
    ) -> Float[Tensor, "links_of_rows"]:
        """Return the inner product across each link of some rows.

        Args:
            rows: the rows.
            vectors: theirs.
            others: those of all columns.
        """
        owner, link = self._links_of(rows)
        products: Tensor = torch.linalg.vecdot(vectors[owner], others[self.columns[link]])
        return products

    def keep(self, kept: Bool[Tensor, "links"]) -> None:
        """Prune: of the links that were drawable at first, let only these be drawn."""
        self.drawable_before[1:] = (self.drawable & kept).cumsum(0)

    def _links_of(self, rows: Int[Tensor, "rows"]) -> tuple[Int[Tensor, "links"], Int[Tensor, "links"]]:
        """Return, for each link of some rows, the place of its row among them and its own number."""
        link, taken = entries_of(self.offsets, rows)
        places = torch.arange(len(rows), device=rows.device)
        return torch.repeat_interleave(places, taken.diff()), link
