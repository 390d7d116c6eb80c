"""One term of RAMEN's objective: it pulls rows towards their linked columns, within a batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.edges import Edges
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.triplet import TripletLoss


@dataclass(frozen=True)
class EncodedRows:
    """Some points, labels or anchors: their numbers and unit vectors.

    Attributes:
        rows: the numbers of the rows.
        vectors: the unit vectors of the rows.
        all_rows: the numbers of the rows of all processes that share a step; None for a single process.
        first: position of the first of ``rows`` in ``all_rows``.
    """

    rows: Int[Tensor, "rows"]
    vectors: Float[Tensor, "rows dim"]
    all_rows: Int[Tensor, "all"] | None = None
    first: int = 0


@dataclass(frozen=True)
class ContrastOutput:
    """The result of a term for a batch.

    Attributes:
        loss: triplet loss; if several processes share a step, their losses add up to the loss of the step.
        others: the labels or anchors drawn for all rows of the step, ascending.
        scores: cosines between the rows and ``others``.
        linked: which of these pairs are linked.
    """

    loss: Float[Tensor, ""]
    others: EncodedRows
    scores: Float[Tensor, "rows columns"]
    linked: Bool[Tensor, "rows columns"]

    def precision(self) -> Float[Tensor, ""]:
        """Return the share of rows whose best column is linked (P@1 within the batch)."""
        if not self.scores.numel():
            return self.scores.new_zeros(())
        best = self.scores.argmax(dim=1, keepdim=True)
        return self.linked.gather(1, best).float().mean()


class ContrastLoss(nn.Module):
    """Σ [E(o_n)ᵀE(r) − E(o_p)ᵀE(r) + γ]₊ with o_p linked to row r and o_n not (RAMEN section 3).

    With points as rows and labels as columns this is the loss L. With anchors as columns it is R_x for points
    as rows, and R_z for labels as rows. Each row draws its positives; the positives of other rows are its
    negatives.

    Args:
        edges: the edges from rows to columns.
        texts: the texts of all columns.
        triplets: the triplet loss.
    """

    def __init__(self, edges: Edges, texts: StoredTexts, triplets: TripletLoss) -> None:
        super().__init__()
        self.edges = edges
        self.texts = texts
        self.triplets = triplets

    def forward(self, encoder: DualEncoder, rows: EncodedRows) -> ContrastOutput:
        """Draw positives for the rows, encode them, and return the loss."""
        everyone = rows.rows if rows.all_rows is None else rows.all_rows
        drawn = self.edges.draw(everyone, self.triplets.num_positives)
        columns = drawn[drawn >= 0].unique()
        others = EncodedRows(columns, encoder(self.texts(columns)))
        scores = rows.vectors @ others.vectors.T
        linked = self.edges.linked(rows.rows, columns)
        own = drawn[rows.first : rows.first + len(rows.rows)]
        places = torch.searchsorted(columns, own).masked_fill(own < 0, -1)
        loss = self.triplets(scores, places, ~linked, (drawn >= 0).sum())
        return ContrastOutput(loss, others, scores, linked)
