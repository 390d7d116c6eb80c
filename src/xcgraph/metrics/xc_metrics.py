"""P, nDCG, PSP, PSnDCG and R at k over a whole data set, batch by batch."""

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

    Every row counts, also one without true labels or without predictions (both score 0). PSP and PSnDCG
    are ratios of means over the data set; where no label can be reached at all, they are 0. Over no rows,
    all are NaN. The state is a few sums of length max(top_k) in float64, whatever the number of rows.

    Args:
        num_labels: the number of labels of the data set.
        top_k: the ranks to report, such as ``(1, 3, 5)`` or ``5``.
        inverse_propensity: (labels,) from ``functional.inverse_propensity``; None leaves PSP and PSnDCG out.

    Raises:
        UserError: ``top_k`` is empty or holds a number below 1.
        ValueError: there is not one inverse propensity per label.
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
            raise UserError(f"top_k must be one or more numbers from 1 up, got {self.top_k}.")
        if inverse_propensity is not None and len(inverse_propensity) != num_labels:
            raise ValueError(
                f"Expected {num_labels} inverse propensities, one per label, got {len(inverse_propensity)}."
            )
        # Not a buffer: Module.to(torch.bfloat16) would round it.
        self.inverse_propensity = None if inverse_propensity is None else inverse_propensity.double()
        parts = 3 if inverse_propensity is None else 7
        self.add_state("sums", torch.zeros(parts, max(self.top_k), dtype=torch.float64), "sum")
        self.add_state("rows", torch.zeros((), dtype=torch.int64), "sum")

    def update(
        self, predicted: Int[Tensor, "batch width"], labels: LabelSets, filtered: LabelSets | None = None
    ) -> None:
        """Add a batch of ranked predictions.

        Args:
            predicted: label ids, best first; -1 is no prediction. Columns that are missing count as misses;
                a repeated id hits once.
            labels: the true labels of each row.
            filtered: labels that must not count as predictions; those behind them move up.

        Raises:
            ValueError: an id is not a label, or the numbers of rows differ.
        """
        self._check_ids("Predicted", predicted, lowest=-1)
        self._check_ids("True", labels.ids, lowest=0)
        if filtered is not None:
            predicted = functional.remove_filtered(predicted, filtered)
        # State that was cast along with a module would lose counts: back to float64 before adding.
        self.sums = self.sums.double() + self.row_values(predicted, labels).sum(dim=1)
        self.rows = self.rows + len(predicted)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """Return the value of each metric at each k under names such as ``PSP@5``, in the papers' order."""
        means = self.sums / self.rows
        values = {"P": means[0], "nDCG": means[1]}
        if self.inverse_propensity is not None:
            values |= {"PSP": _ratio(means[3], means[4]), "PSnDCG": _ratio(means[5], means[6])}
        values["R"] = means[2]
        return {f"{name}@{k}": at_k[k - 1] for name, at_k in values.items() for k in self.top_k}

    def row_values(
        self, predicted: Int[Tensor, "batch width"], labels: LabelSets
    ) -> Float[Tensor, "parts batch k"]:
        """Stack P, nDCG, R and then PSP and PSnDCG, each as its numerator and its denominator, at 1..k.

        The metrics are means over rows of these, or ratios of means; filtered labels must be out already.
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

    def _check_ids(self, what: str, ids: Int[Tensor, "..."], *, lowest: int) -> None:
        outside = (ids < lowest) | (ids >= self.num_labels)
        if outside.any():
            found = int(ids[outside][0])
            raise ValueError(f"{what} label ids must lie in {lowest}..{self.num_labels - 1}, found {found}.")


def _ratio(numerator: Float[Tensor, "k"], denominator: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Divide; 0/0 is 0, since nothing could be won."""
    return torch.where(denominator == 0, 0.0, numerator / denominator)
