"""Evaluates a sparse score matrix."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from xcgraph.batch import LabelSets
from xcgraph.data.xc_data import Split, XCData
from xcgraph.errors import UserError
from xcgraph.metrics import functional
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.sparse import top_k_rows

_CHUNK_ROWS = 16_384


def training_inverse_propensity(data: XCData) -> Float[Tensor, "labels"]:
    """Return the inverse propensity of each label, computed from all training points without filtering."""
    return functional.inverse_propensity(
        _label_sets(data.train.labels).ids.bincount(minlength=data.num_labels),
        len(data.train),
        propensity_a=data.propensity_a,
        propensity_b=data.propensity_b,
    )


def evaluate_scores(
    scores: csr_array,
    split: Split,
    *,
    inverse_propensity: Float[Tensor, "labels"] | None,
    ks: Sequence[int] = (1, 3, 5),
) -> dict[str, float]:
    """Rank the scores of each point without its filtered labels, and return the metrics.

    Args:
        scores: (points, labels) scores; larger is better. Every stored entry is a prediction, also a stored
            0. Entries that are not stored are not predictions. Equal scores rank by label id.
        split: true labels and filter pairs of the points.
        inverse_propensity: (labels,) inverse propensities, or None to omit PSP and PSnDCG.
        ks: ranks to report.

    Returns:
        Metrics as fractions, by names such as ``P@1``; see ``XCMetrics``.

    Raises:
        UserError: the scores belong to other points or labels, or contain NaN.
    """
    check_scores(scores, split)
    metrics = XCMetrics(split.labels.shape[1], ks, inverse_propensity)
    for ranked, labels, filtered in ranked_batches(scores, split, max(metrics.top_k)):
        metrics.update(ranked, labels, filtered)
    return {name: value.item() for name, value in metrics.compute().items()}


def check_scores(scores: csr_array, split: Split) -> None:
    """Check that scores belong to the points and labels of a split and contain no NaN.

    Raises:
        UserError: the shape differs, or a score is NaN.
    """
    if scores.shape != split.labels.shape:
        raise UserError(
            f"Expected scores of {split.labels.shape[0]} points × {split.labels.shape[1]} labels, "
            f"found {scores.shape[0]} × {scores.shape[1]}; use the scores that belong to this data."
        )
    if np.isnan(scores.data).any():
        raise UserError("Expected numbers as scores, found NaN; the model has diverged, train it again.")


def ranked_batches(
    scores: csr_array, split: Split, k: int
) -> Iterator[tuple[Int[Tensor, "batch width"], LabelSets, LabelSets]]:
    """Yield ranked labels, true labels and filtered labels, batch by batch.

    The rankings are long enough to have k labels after the filtered labels are removed, if there are as many
    scores.
    """
    pairs = split.filter_pairs
    filtered = csr_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=scores.shape)
    for start in range(0, len(split), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        ranked = _rank(scores[rows], k + _longest_row(filtered[rows]))
        yield ranked, _label_sets(split.labels[rows]), _label_sets(filtered[rows])


def _rank(scores: csr_array, k: int) -> Int[Tensor, "batch width"]:
    """Return the k best labels per row, or fewer columns if no row has k scores."""
    return torch.from_numpy(top_k_rows(scores, min(k, _longest_row(scores)))[0])


def _longest_row(matrix: csr_array) -> int:
    return int(np.diff(matrix.indptr).max(initial=0))


def _label_sets(labels: csr_array) -> LabelSets:
    """Return the set of columns of each row that are not 0."""
    sets = labels.astype(bool)  # astype copies, so the changes below do not affect the caller's matrix
    sets.sum_duplicates()
    sets.eliminate_zeros()
    return LabelSets(torch.from_numpy(sets.indices), torch.from_numpy(sets.indptr))
