"""The classifier: scores points against the vectors of labels by inner product."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.batch import Shortlist
from xcgraph.nn.sampled_product import sampled_product


class LabelClassifier(nn.Module):
    """s_l = ⟨w_l, x̂⟩ + b for the label vectors w_l of a :class:`~xcgraph.nn.label_encoder.LabelEncoder`.

    The bias b is one number for all labels. ECLARE's paper has no bias; its first public code had one per
    label. Without a bias, every score must fall in the first steps, which turns all points towards one
    direction. The spectrally normalised blocks do not recover from that.

    Args:
        positive_rate: share of scored (point, label) pairs that are positive, in (0, 1). b starts at the
            log-odds of this rate.

    Raises:
        ValueError: ``positive_rate`` lies outside (0, 1).
    """

    def __init__(self, *, positive_rate: float) -> None:
        super().__init__()
        if not 0 < positive_rate < 1:
            raise ValueError(f"positive_rate must lie in (0, 1), got {positive_rate}.")
        self.bias = nn.Parameter(torch.tensor(math.log(positive_rate / (1 - positive_rate))))

    def forward(
        self,
        points: Float[Tensor, "batch dim"],
        vectors: Float[Tensor, "labels dim"],
        shortlist: Shortlist | None = None,
    ) -> Float[Tensor, "batch width"]:
        """Return the logits of the shortlist of each point, or of all labels; padding scores -inf."""
        if shortlist is None:
            return torch.addmm(self.bias, points, vectors.T)
        scores = sampled_product(points, vectors, shortlist.positions.clamp(min=0)) + self.bias
        return scores.masked_fill(shortlist.positions < 0, -torch.inf)
