"""Metrics at ranks 1 to k for each row, as pure functions of ranked label ids and sets of true labels.

All metrics are running sums over gains. The gain at a rank is 1, or the label's inverse propensity, if the
label is a true label, and 0 otherwise. The definitions are from Jain et al., KDD'16, and the Extreme
Classification Repository. As in the tables of the papers, P@k divides by k for every row, and the
propensity-scored metrics are ratios of means over the data set, not means of ratios.

Rankings are (batch, width) label ids, best first. -1 means "no prediction": it takes a rank and is a miss.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from xcgraph.batch import LabelSets

__all__ = [
    "best_gains",
    "contains",
    "find_hits",
    "first_ranks",
    "inverse_propensity",
    "ndcg",
    "precision",
    "recall",
    "remove_filtered",
    "set_sizes",
]

_ID_BITS = 32  # (row, id) pairs become the keys row·2³² + id: exact for fewer than 2³¹ rows and labels
_NO_KEY = torch.iinfo(torch.int64).max


def inverse_propensity(
    label_counts: Int[Tensor, "labels"], num_points: int, *, propensity_a: float, propensity_b: float
) -> Float[Tensor, "labels"]:
    """Return q_l = 1 + C·(n_l + B)^-A with C = (ln N − 1)·(B + 1)^A (Jain et al., KDD'16, section 4).

    Args:
        label_counts: n_l, the number of training points that carry label l.
        num_points: N, the number of training points, including points without labels. For N below 3, C is
            negative, and q can be negative too.
        propensity_a: A, a constant of the data set.
        propensity_b: B, a constant of the data set.

    Raises:
        ValueError: there are no training points, so ln N does not exist.
    """
    if num_points < 1:
        raise ValueError(f"Inverse propensities need at least 1 training point, got {num_points}.")
    scale: float = (math.log(num_points) - 1) * (propensity_b + 1) ** propensity_a
    return 1 + scale * (label_counts.double() + propensity_b) ** -propensity_a


def contains(sets: LabelSets, ids: Int[Tensor, "batch width"]) -> Bool[Tensor, "batch width"]:
    """Return for each id whether it is in the set of its row.

    Raises:
        ValueError: the number of sets differs from the number of rows.
    """
    if len(sets.offsets) != len(ids) + 1:
        raise ValueError(f"Expected one label set per row: {len(ids)} rows, {len(sets.offsets) - 1} sets.")
    keys = (_set_rows(sets) << _ID_BITS) + sets.ids
    # A largest key at the end keeps searchsorted inside the array, also for empty sets.
    keys = torch.cat([keys.sort().values, keys.new_full((1,), _NO_KEY)])
    wanted = (torch.arange(len(ids), device=ids.device)[:, None] << _ID_BITS) + ids
    return (keys[torch.searchsorted(keys, wanted)] == wanted) & (ids >= 0)


def first_ranks(predicted: Int[Tensor, "batch width"], k: int) -> Int[Tensor, "batch {k}"]:
    """Return the first k ids of each ranking, padded with -1 if the ranking is shorter."""
    missing = max(k - predicted.shape[1], 0)
    return torch.nn.functional.pad(predicted[:, :k], (0, missing), value=-1)


def remove_filtered(predicted: Int[Tensor, "batch width"], filtered: LabelSets) -> Int[Tensor, "batch width"]:
    """Return each ranking without the filtered ids of its row; later ids move up, and -1 fills the end.

    To have k labels afterwards, rank k plus the number of filtered ids before.
    """
    width = predicted.shape[1]
    kept = ~contains(filtered, predicted)
    place = torch.where(kept, kept.cumsum(dim=1) - 1, width)  # removed ids go to an extra last column
    closed = predicted.new_full((len(predicted), width + 1), -1)
    return closed.scatter_(1, place, predicted)[:, :width]


def find_hits(predicted: Int[Tensor, "batch width"], labels: LabelSets) -> Bool[Tensor, "batch width"]:
    """Return a mask of the ranks with a true label that has no better rank in the same row.

    A repeated id is a hit once, at its best rank. Its later copies are misses and keep their ranks.
    """
    ids, order = predicted.sort(dim=1, stable=True)
    repeats = torch.zeros_like(ids, dtype=torch.bool)
    repeats[:, 1:] = ids[:, 1:] == ids[:, :-1]
    return contains(labels, predicted) & ~torch.empty_like(repeats).scatter_(1, order, repeats)


def set_sizes(sets: LabelSets) -> Int[Tensor, "batch"]:
    """Return the number of labels of each set."""
    return sets.offsets.diff()


def best_gains(
    labels: LabelSets, inverse_propensity: Float[Tensor, "labels"], k: int
) -> Float[Tensor, "batch {k}"]:
    """Return the gains of each row's best possible ranking: its k largest inverse propensities, then 0."""
    rows, gains = _set_rows(labels), inverse_propensity[labels.ids]
    order = gains.argsort(descending=True)
    order = order[rows[order].argsort(stable=True)]  # by row, and in each row by gain
    rank = torch.arange(len(rows), device=rows.device) - labels.offsets[rows]
    best = gains.new_zeros(len(labels.offsets) - 1, k + 1)  # ranks after k go to an extra last column
    best[rows, rank.clamp(max=k)] = gains[order]
    return best[:, :k]


def precision(gains: Float[Tensor, "batch k"]) -> Float[Tensor, "batch k"]:
    """Return (1/r)·Σ of the first r gains, for r = 1..k.

    For hits this is P@r. For inverse propensities it is a part of PSP@r: the mean over all rows for the gains
    of the ranking, divided by the mean for ``best_gains``.
    """
    return gains.cumsum(dim=1) / _ranks(gains)


def ndcg(gains: Float[Tensor, "batch k"], num_true: Int[Tensor, "batch"]) -> Float[Tensor, "batch k"]:
    """Return Σ gain/log2(rank + 1) divided by the same sum for min(r, num_true) gains of 1, for r = 1..k.

    For hits this is nDCG@r. For inverse propensities it is a part of PSnDCG@r: the mean over all rows for the
    gains of the ranking, divided by the mean for ``best_gains``. Rows without labels count as 0.
    """
    discount = 1 / (_ranks(gains) + 1).log2()
    ideal = discount.cumsum(dim=0)
    reachable = ideal[num_true.clamp(1, len(ideal)) - 1]
    return (gains * discount).cumsum(dim=1) / torch.minimum(ideal, reachable[:, None])


def recall(gains: Float[Tensor, "batch k"], num_true: Int[Tensor, "batch"]) -> Float[Tensor, "batch k"]:
    """Return Σ of the first r gains / num_true, for r = 1..k: R@r for hits. Rows without labels are 0."""
    return gains.cumsum(dim=1) / num_true.clamp(min=1)[:, None]


def _ranks(gains: Float[Tensor, "batch k"]) -> Float[Tensor, "k"]:
    return torch.arange(1, gains.shape[1] + 1, dtype=gains.dtype, device=gains.device)


def _set_rows(sets: LabelSets) -> Int[Tensor, "nnz"]:
    """Return the row of each id of the sets."""
    rows = torch.arange(len(sets.offsets) - 1, device=sets.ids.device)
    return rows.repeat_interleave(set_sizes(sets), output_size=len(sets.ids))
