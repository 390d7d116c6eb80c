"""The metrics of single points, of which those of a data set are means: what a bootstrap draws from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from xcgraph.data.xc_data import Split
from xcgraph.metrics import functional
from xcgraph.metrics.evaluate import check_scores, ranked_batches
from xcgraph.metrics.xc_metrics import XCMetrics


@dataclass(frozen=True, kw_only=True)
class PointValues:
    """What each point adds to each metric.

    A metric of the data set is mean(gained) / mean(possible): P, nDCG and R with 1 as what is possible,
    PSP and PSnDCG as the ratios of means that they are.

    Attributes:
        names: of the metrics, such as ``PSP@5``.
        gained: (metrics, points).
        possible: (metrics, points); it does not depend on the predictions.
    """

    names: tuple[str, ...]
    gained: NDArray[np.float64]
    possible: NDArray[np.float64]

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the data set, as :func:`~xcgraph.metrics.evaluate.evaluate_scores` does."""
        best = self.possible.mean(axis=1)
        values = np.divide(self.gained.mean(axis=1), best, out=np.zeros(len(best)), where=best > 0)
        return dict(zip(self.names, values.tolist(), strict=True))


def rank_points(scores: csr_array, split: Split, k: int) -> Int[Tensor, "points {k}"]:
    """Rank the k best labels of each point, without its filtered ones; -1 where there are fewer.

    Raises:
        UserError: the scores belong to other points or labels, or are not numbers.
    """
    check_scores(scores, split)
    batches = (
        functional.first_ranks(functional.remove_filtered(ranked, filtered), k).long()
        for ranked, _, filtered in ranked_batches(scores, split, k)
    )
    return torch.cat([torch.empty(0, k, dtype=torch.long), *batches])


def measure_points(
    scores: csr_array,
    split: Split,
    *,
    inverse_propensity: Float[Tensor, "labels"],
    ks: Sequence[int] = (1, 3, 5),
) -> PointValues:
    """Measure each point by itself.

    Args:
        scores: (points, labels), as in :func:`~xcgraph.metrics.evaluate.evaluate_scores`.
        split: the points' true labels and filter pairs.
        inverse_propensity: (labels,).
        ks: the ranks to report.

    Raises:
        UserError: the scores belong to other points or labels, or are not numbers.
    """
    check_scores(scores, split)
    metrics = XCMetrics(split.labels.shape[1], ks, inverse_propensity)
    batches = [
        metrics.row_values(functional.remove_filtered(ranked, filtered), labels)
        for ranked, labels, filtered in ranked_batches(scores, split, max(ks))
    ]
    at_k = torch.cat(batches, dim=1).numpy()[:, :, [k - 1 for k in ks]].transpose(0, 2, 1)
    precision, ndcg, recall, *ratios = at_k
    ones = np.ones_like(precision)
    parts = {
        "P": (precision, ones),
        "nDCG": (ndcg, ones),
        "PSP": (ratios[0], ratios[1]),
        "PSnDCG": (ratios[2], ratios[3]),
        "R": (recall, ones),
    }
    return PointValues(
        names=tuple(f"{name}@{k}" for name in parts for k in ks),
        gained=np.concatenate([gained for gained, _ in parts.values()]),
        possible=np.concatenate([possible for _, possible in parts.values()]),
    )
