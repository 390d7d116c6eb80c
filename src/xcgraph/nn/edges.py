"""Graph edges: a source of positives, a mask for negatives, and prunable."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.batch import LabelSets, entries_of


class Edges(nn.Module):
    """The links from the rows of a graph to its columns.

    A link that cannot be drawn, or that was pruned, still excludes its column from the negatives of its row:
    pruning makes a link doubtful, not wrong.

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
        # The number of drawable links before each link. Pruning changes it, so it is stored with the weights.
        self.register_buffer("drawable_before", functional.pad(drawable.cumsum(0), (1, 0)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_drawable(self) -> int:
        """The number of links that can be drawn now."""
        return int(self.drawable_before[-1])

    def draw(self, rows: Int[Tensor, "rows"], count: int) -> Int[Tensor, "rows count"]:
        """Return ``count`` different random columns of each row, all equally probable; -1 pads short rows."""
        first = self.drawable_before[self.offsets[rows]][:, None]
        available = self.drawable_before[self.offsets[rows + 1]][:, None] - first
        turns = torch.arange(count, device=rows.device)
        # A random link and its successors in a circle are different links, without a loop over rows.
        start = (torch.rand(first.shape, device=rows.device) * available).long()
        number = first + (start + turns) % available.clamp(min=1)
        link = torch.searchsorted(self.drawable_before, number, right=True) - 1
        missing = turns >= available
        return functional.pad(self.columns, (0, 1))[link.masked_fill(missing, 0)].masked_fill(missing, -1)

    def linked(
        self, rows: Int[Tensor, "rows"], columns: Int[Tensor, "columns"]
    ) -> Bool[Tensor, "rows columns"]:
        """Return which of the columns each row is linked to, drawable or not.

        Args:
            rows: numbers of rows, in any order.
            columns: numbers of columns, ascending and without duplicates.
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
            rows: numbers of rows.
            vectors: the vectors of these rows.
            others: the vectors of all columns.
        """
        owner, link = self._links_of(rows)
        products: Tensor = torch.linalg.vecdot(vectors[owner], others[self.columns[link]])
        return products

    def keep(self, kept: Bool[Tensor, "links"]) -> None:
        """Prune the links: later draws use only the kept links, if they were drawable at first."""
        self.drawable_before[1:] = (self.drawable & kept).cumsum(0)

    def _links_of(self, rows: Int[Tensor, "rows"]) -> tuple[Int[Tensor, "links"], Int[Tensor, "links"]]:
        """Return, for each link of some rows, the position of its row in ``rows`` and the link's number."""
        link, taken = entries_of(self.offsets, rows)
        places = torch.arange(len(rows), device=rows.device)
        return torch.repeat_interleave(places, taken.diff()), link
