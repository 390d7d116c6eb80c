"""P, nDCG, PSP, PSnDCG and R at k over a whole data set, accumulated batch by batch."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

from xcgraph.batch import LabelSets
from xcgraph.errors import UserError
from xcgraph.metrics import functional


class XCMetrics(Metric):
    """The metrics of the Extreme Classification Repository, as fractions (not percent).

    Every row counts; a row without true labels or without predictions scores 0. PSP and PSnDCG are ratios of
    means over the data set, and 0 if the data set has no true labels. Without any rows, all metrics are NaN.
    The state is a few sums of length max(top_k) in float64, independent of the number of rows.

    Args:
        num_labels: number of labels of the data set.
        top_k: ranks to report, such as ``(1, 3, 5)`` or ``5``.
        inverse_propensity: (labels,) from ``functional.inverse_propensity``; None omits PSP and PSnDCG.

    Raises:
        UserError: ``top_k`` is empty or has a number below 1.
        ValueError: the number of inverse propensities differs from the number of labels.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    sums: Float[Tensor, "parts k"]
    rows: Int[Tensor, ""]

    def __init__(
        self,
        num_labels: int,
        top_k: int | Sequence[int],
        inverse_propensity: Float[Tensor, "labels"] | None = None,
    ) -> None:
        super().__init__()
        self.num_labels = num_labels
        self.top_k = (top_k,) if isinstance(top_k, int) else tuple(top_k)
        if not self.top_k or min(self.top_k) < 1:
            raise UserError(f"top_k must be one or more integers ≥ 1, got {self.top_k}; try (1, 3, 5).")
        if inverse_propensity is not None and len(inverse_propensity) != num_labels:
            raise ValueError(
                f"Expected {num_labels} inverse propensities, one per label, got {len(inverse_propensity)}."
            )
        # It is not a buffer, because Module.to(torch.bfloat16) would round it.
        self.inverse_propensity = None if inverse_propensity is None else inverse_propensity.double()
        parts = 3 if inverse_propensity is None else 7
        self.add_state("sums", torch.zeros(parts, max(self.top_k), dtype=torch.float64), "sum")
        self.add_state("rows", torch.zeros((), dtype=torch.int64), "sum")

    def update(
        self, predicted: Int[Tensor, "batch width"], labels: LabelSets, filtered: LabelSets | None = None
    ) -> None:
        """Add a batch of ranked predictions.

        Args:
            predicted: label ids, best first; -1 means no prediction. Missing columns count as misses. A
                repeated id can hit only once.
            labels: true labels of each row.
            filtered: labels to remove from the predictions of each row; later labels move up.

        Raises:
            ValueError: an id is not a label, or the numbers of rows differ.
        """
        self._check_ids("Predicted", predicted, lowest=-1)
        self._check_ids("True", labels.ids, lowest=0)
        if filtered is not None:
            predicted = functional.remove_filtered(predicted, filtered)
        # A module that contains this metric can cast the state to a lower precision, which would lose counts.
        self.sums = self.sums.double() + self.row_values(predicted, labels).sum(dim=1)
        self.rows = self.rows + len(predicted)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """Return each metric at each k by a name such as ``PSP@5``, in the order of the papers' tables."""
        means = self.sums / self.rows
        values = {"P": means[0], "nDCG": means[1]}
        if self.inverse_propensity is not None:
            values |= {"PSP": _ratio(means[3], means[4]), "PSnDCG": _ratio(means[5], means[6])}
        values["R"] = means[2]
        return {f"{name}@{k}": at_k[k - 1] for name, at_k in values.items() for k in self.top_k}

    def row_values(
        self, predicted: Int[Tensor, "batch width"], labels: LabelSets
    ) -> Float[Tensor, "parts batch k"]:
        """Return P, nDCG, R, and the numerators and denominators of PSP and PSnDCG, at ranks 1 to k.

        The metrics of a data set are the means of these values over rows, or ratios of the means. Remove
        filtered labels before.
        """
        k = max(self.top_k)
        num_true = functional.set_sizes(labels)
        predicted = functional.first_ranks(predicted, k)
        hits = functional.find_hits(predicted, labels).double()
        parts = [
            functional.precision(hits),
            functional.ndcg(hits, num_true),
            functional.recall(hits, num_true),
        ]
        if self.inverse_propensity is not None:
            self.inverse_propensity = self.inverse_propensity.to(predicted.device)
            gains = hits * self.inverse_propensity[predicted.clamp(min=0)]
            best = functional.best_gains(labels, self.inverse_propensity, k)
            parts += [functional.precision(gains), functional.precision(best)]
            parts += [functional.ndcg(gains, num_true), functional.ndcg(best, num_true)]
        return torch.stack(parts)

    def _check_ids(self, kind: str, ids: Int[Tensor, "..."], *, lowest: int) -> None:
        outside = (ids < lowest) | (ids >= self.num_labels)
        if outside.any():
            found = int(ids[outside][0])
            raise ValueError(f"{kind} label ids must lie in {lowest}..{self.num_labels - 1}, found {found}.")


def _ratio(numerator: Float[Tensor, "k"], denominator: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return the quotient; 0/0 is 0, because no gain was possible."""
    return torch.where(denominator == 0, 0.0, numerator / denominator)
