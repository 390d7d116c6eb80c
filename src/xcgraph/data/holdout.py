"""Hold out validation points from the training points, never from the test points."""

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError


def hold_out(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Split training points at random into points to learn from and points to validate on.

    :func:`hold_out_rows` describes the arguments and errors.
    """
    learned, held = hold_out_rows(len(train), fraction, seed)
    return train.take(learned), train.take(held)


def hold_out_rows(num_points: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn from and the rows to validate on, both ascending; each part has a row.

    Args:
        num_points: number of training points.
        fraction: share of the points to validate on, in (0, 1).
        seed: random seed for the choice of the validation points.

    Raises:
        UserError: the fraction is outside (0, 1), or there are fewer than two points.
    """
    if not 0 < fraction < 1:
        raise UserError(
            f"validation_fraction must lie in (0, 1), got {fraction}; choose a value such as 0.05."
        )
    if num_points < 2:
        raise UserError(
            "Expected at least 2 training points, one to learn from and one to validate on, found "
            f"{num_points}."
        )
    held = min(max(round(num_points * fraction), 1), num_points - 1)
    order = np.random.default_rng(seed).permutation(num_points)
    return np.sort(order[held:]), np.sort(order[:held])
