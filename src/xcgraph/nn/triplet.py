"""The triplet loss within a batch, with the hardest negatives."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TripletLoss:
    """[E(z_k)ᵀE(x_i) − E(z_l)ᵀE(x_i) + γ]₊ over positives l and the hardest negatives k (RAMEN section 3).

    The paper sums over all triplets. The mean taken here differs by a factor that is the same in every batch,
    except for the number of rows without a positive.

    Attributes:
        margin: γ, the margin by which a positive's cosine should exceed a negative's.
        num_positives: positives drawn per row.
        num_negatives: hardest negatives of the batch per row.
    """

    margin: float = 0.3
    num_positives: int = 2
    num_negatives: int = 12

    def __post_init__(self) -> None:
        for name in ("num_positives", "num_negatives"):
            if getattr(self, name) < 1:
                raise UserError(f"triplets.{name} must be ≥ 1, got {getattr(self, name)}.")
        if not 0 <= self.margin <= 2:
            raise UserError(
                f"triplets.margin must lie in [0, 2], the range of cosine differences, got {self.margin}."
            )

    def __call__(
        self,
        scores: Float[Tensor, "rows columns"],
        positives: Int[Tensor, "rows num_positives"],
        negatives: Bool[Tensor, "rows columns"],
        num_drawn: Int[Tensor, ""] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean loss per drawn positive, which itself is a mean over the hardest negatives.

        Args:
            scores: cosines of each row with all columns of the batch.
            positives: columns of the drawn positives; -1 is padding.
            negatives: which columns are candidate negatives of a row. In a row with fewer than
                ``num_negatives`` candidates, the missing negatives count with a loss of 0.
            num_drawn: number of positives that the mean is taken over; None for the number in ``positives``.
        """
        if not scores.numel():
            return scores.sum()
        drawn = positives >= 0
        own = scores.gather(1, positives.clamp(min=0))
        rivals = scores.masked_fill(~negatives, -torch.inf)
        hardest = rivals.topk(min(self.num_negatives, scores.shape[1]), dim=1).values
        hinges = (hardest[:, None, :] - own[:, :, None] + self.margin).relu().mean(dim=2)
        count = drawn.sum() if num_drawn is None else num_drawn
        return hinges.masked_fill(~drawn, 0).sum() / count.clamp(min=1)
