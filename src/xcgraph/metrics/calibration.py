"""Probabilities that a predicted label is right, fitted on validation points with scikit-learn."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from xcgraph.errors import UserError
from xcgraph.sparse import top_k_rows
from xcgraph.storage.artifacts import save_arrays
from xcgraph.storage.npz import load_arrays

METHODS = ("auto", "sigmoid", "isotonic", "by_frequency")
# Pairs that isotonic regression needs; with fewer, its steps follow noise (scikit-learn's user guide, 1.16).
_ENOUGH = 1000
# Labels with at most 1, 4, 19 training points, and all others: what P by label frequency shows as well.
_FREQUENCY_EDGES = np.array([1, 4, 19])
_GRID = 129
_LOWEST, _HIGHEST = 1e-6, 1 - 1e-6
_MAX_THRESHOLDS = 1000


@dataclass(frozen=True)
class Predicted:
    """The predictions of some points, one entry per (point, predicted label).

    Attributes:
        labels: (pairs,) predicted labels.
        scores: (pairs,) their scores, in [0, 1].
        hits: (pairs,) whether the point carries the label.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]


def predicted_pairs(scores: csr_array, labels: csr_array, top_k: int = 5) -> Predicted:
    """Return the best labels of each point and whether they are right.

    Args:
        scores: (points, labels) predicted scores, in [0, 1].
        labels: (points, labels); each stored entry is a label of the point.
        top_k: labels per point.
    """
    ids, values = top_k_rows(scores, top_k)
    rows, places = np.nonzero(ids >= 0)
    columns = ids[rows, places].astype(np.int64)
    carried = csr_array(labels > 0)
    hits = np.asarray(carried[rows, columns]).ravel().astype(bool)
    return Predicted(columns, values[rows, places].astype(np.float64), hits)


@dataclass(frozen=True)
class Calibration:
    """A map from scores to probabilities, for groups of labels: linear between points of a grid.

    Attributes:
        groups: (labels,) group of each label; one group for all labels, or one per range of frequencies.
        scores: (grid,) ascending scores.
        probabilities: (groups, grid) probability at each of them; not falling.
        thresholds: (steps,) falling probabilities of validation predictions; may be empty.
        precisions: (steps,) precision of the validation predictions at or above each threshold.
    """

    groups: NDArray[np.uint8]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    precisions: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != count or count == 0:
            raise ValueError(f"probabilities: expected (groups, {count}), found {self.probabilities.shape}")
        if self.groups.ndim != 1 or self.groups.max(initial=0) >= len(self.probabilities):
            raise ValueError(f"groups: expected numbers below {len(self.probabilities)}")
        if not (np.diff(self.scores) > 0).all() or not (np.diff(self.probabilities, axis=1) >= 0).all():
            raise ValueError("scores: expected ascending scores and probabilities that do not fall")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise ValueError("probabilities: expected numbers in [0, 1]")
        if self.thresholds.shape != self.precisions.shape:
            raise ValueError("precisions: expected one for each threshold")

    def save(self, path: Path) -> None:
        """Write the map into a file of arrays."""
        save_arrays(path, **{part.name: getattr(self, part.name) for part in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what :meth:`save` wrote.

        Raises:
            UserError: the file is damaged.
            ValueError: its arrays do not fit together.
        """
        arrays = load_arrays(path)
        floats = {part.name: arrays[part.name].astype(np.float64) for part in fields(cls)}
        del floats["groups"]
        return cls(groups=arrays["groups"].astype(np.uint8), **floats)

    def threshold(self, precision: float) -> float | None:
        """Return the lowest probability such that validation predictions at or above it have a precision.

        Args:
            precision: wanted share of right predictions, in (0, 1].

        Returns:
            The probability, or None where no threshold reaches the precision.

        Raises:
            UserError: the precision lies outside (0, 1].
        """
        if not 0 < precision <= 1:
            raise UserError(f"precision must lie in (0, 1], got {precision}.")
        reached = np.flatnonzero(self.precisions >= precision)
        return float(self.thresholds[reached[-1]]) if len(reached) else None

    def __call__(self, labels: NDArray[np.integer], scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each label at its score; arrays of one shape, of any rank."""
        probabilities = np.zeros(scores.shape, np.float32)
        groups = self.groups[labels]
        for group, curve in enumerate(self.probabilities):
            chosen = groups == group
            probabilities[chosen] = np.interp(scores[chosen], self.scores, curve)
        return probabilities


def fit_calibration(
    predicted: Predicted, frequencies: NDArray[np.integer], method: str = "auto"
) -> Calibration:
    """Fit probabilities on predictions of validation points.

    Args:
        predicted: predictions of points that the model was not trained on.
        frequencies: (labels,) training points of each label.
        method: ``sigmoid`` (Platt scaling of the log-odds), ``isotonic``, ``by_frequency`` (isotonic for
            each of four ranges of label frequency with enough pairs), or ``auto`` (isotonic from 1,000 pairs
            on, else sigmoid).

    Raises:
        UserError: an unknown method, or no predictions.
    """
    if method not in METHODS:
        raise UserError(f"calibration: expected one of {', '.join(METHODS)}, got {method}.")
    if len(predicted.scores) == 0:
        raise UserError(
            "calibration: no predictions of validation points to fit on; raise validation.fraction."
        )
    if method == "auto":
        method = "isotonic" if len(predicted.scores) >= _ENOUGH else "sigmoid"
    grid = expit(np.linspace(logit(_LOWEST), logit(_HIGHEST), _GRID))
    overall = _curve(predicted, grid, isotonic=method != "sigmoid")
    groups = np.zeros(len(frequencies), np.uint8)
    if method != "by_frequency":
        return _with_thresholds(Calibration(groups, grid, overall[None]), predicted)
    groups = np.searchsorted(_FREQUENCY_EDGES, frequencies).astype(np.uint8)
    curves = []
    for group in range(len(_FREQUENCY_EDGES) + 1):
        chosen = groups[predicted.labels] == group
        part = Predicted(predicted.labels[chosen], predicted.scores[chosen], predicted.hits[chosen])
        curves.append(_curve(part, grid, isotonic=True) if chosen.sum() >= _ENOUGH else overall)
    return _with_thresholds(Calibration(groups, grid, np.stack(curves)), predicted)


def _with_thresholds(calibration: Calibration, predicted: Predicted) -> Calibration:
    """Add the precision of the predictions above each of their probabilities."""
    probabilities = calibration(predicted.labels, predicted.scores).astype(np.float64)
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    precisions = np.cumsum(predicted.hits[order]) / np.arange(1, len(order) + 1)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # the last pair of each tie
    kept = ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), _MAX_THRESHOLDS)).astype(np.int64))]
    return replace(calibration, thresholds=ordered[kept], precisions=precisions[kept])


def _curve(predicted: Predicted, grid: NDArray[np.float64], *, isotonic: bool) -> NDArray[np.float64]:
    if predicted.hits.all() or not predicted.hits.any():  # nothing to fit a slope on
        return np.full(len(grid), (predicted.hits.sum() + 1) / (len(predicted.hits) + 2))
    scores = predicted.scores.clip(_LOWEST, _HIGHEST)
    if isotonic:
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, predicted.hits)
        values: NDArray[np.float64] = fitted.predict(grid)
    else:
        platt = LogisticRegression(C=1e3).fit(logit(scores)[:, None], predicted.hits)
        values = platt.predict_proba(logit(grid)[:, None])[:, 1]
    return np.maximum.accumulate(values)  # a falling sigmoid would turn the order of labels round


def expected_calibration_error(
    probabilities: NDArray[np.floating], hits: NDArray[np.bool_], bins: int = 15
) -> float:
    """Return the mean distance of probabilities from shares of hits in equal bins (Naeini et al., 2015)."""
    weight, mean, share = reliability_bins(probabilities, hits, bins)
    return float((weight * np.abs(mean - share)).sum() / max(weight.sum(), 1))


def reliability_bins(
    probabilities: NDArray[np.floating], hits: NDArray[np.bool_], bins: int = 15
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (bins,) counts, mean probabilities and shares of hits; bins without predictions have zeros."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.float64)
    safe = np.maximum(counts, 1)
    mean = np.bincount(place, probabilities, minlength=bins) / safe
    return counts, mean, np.bincount(place, hits, minlength=bins) / safe
