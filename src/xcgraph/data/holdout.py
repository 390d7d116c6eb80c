"""The validation split: carved from the training points, never from the test points."""

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError


def hold_out(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Split training points at random into those to learn from and those to validate on.

    See :func:`hold_out_rows`.
    """
    learned, held = hold_out_rows(len(train), fraction, seed)
    return train.take(learned), train.take(held)


def hold_out_rows(num_points: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose which rows to learn from and which to validate on, both ascending.

    Args:
        num_points: how many training points there are.
        fraction: share of the points to validate on, in (0, 1).
        seed: of the choice.

    Raises:
        UserError: the fraction lies outside (0, 1), or leaves one of the two without points.
    """
    if not 0 < fraction < 1:
        raise UserError(f"validation_fraction must lie in (0, 1), got {fraction}.")
    held = round(num_points * fraction)
    if not 0 < held < num_points:
        raise UserError(
            f"validation_fraction={fraction} of {num_points} training points leaves {held} to validate on "
            f"and {num_points - held} to learn from; both must be ≥ 1."
        )
    order = np.random.default_rng(seed).permutation(num_points)
    return np.sort(order[held:]), np.sort(order[:held])
