"""Metrics of single points, for example for a bootstrap; the metrics of a data set are means of them."""

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
    """The contribution of each point to each metric.

    A metric of the data set is mean(gained) / mean(possible). For P, nDCG and R, ``possible`` is 1. PSP and
    PSnDCG are ratios of means by definition.

    Attributes:
        names: names of the metrics, such as ``PSP@5``.
        gained: (metrics, points) numerators.
        possible: (metrics, points) denominators, which do not depend on the predictions.
    """

    names: tuple[str, ...]
    gained: NDArray[np.float64]
    possible: NDArray[np.float64]

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the data set, like :func:`~xcgraph.metrics.evaluate.evaluate_scores`."""
        best = self.possible.mean(axis=1)
        values = np.divide(self.gained.mean(axis=1), best, out=np.zeros(len(best)), where=best > 0)
        return dict(zip(self.names, values.tolist(), strict=True))


def rank_points(scores: csr_array, split: Split, k: int) -> Int[Tensor, "points {k}"]:
    """Return the k best labels of each point without its filtered labels, padded with -1.

    Raises:
        UserError: the scores belong to other points or labels, or contain NaN.
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
    """Return the metrics of each point.

    Args:
        scores: (points, labels) scores, as for :func:`~xcgraph.metrics.evaluate.evaluate_scores`.
        split: true labels and filter pairs of the points.
        inverse_propensity: (labels,) inverse propensities.
        ks: ranks to report.

    Raises:
        UserError: the scores belong to other points or labels, or contain NaN.
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
