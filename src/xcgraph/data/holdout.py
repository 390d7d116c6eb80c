"""The validation split: carved from the training points, never from the test points."""

import numpy as np

from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError


def hold_out(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Split training points at random into those to learn from and those to validate on.

    Args:
        train: all training points.
        fraction: share of the points to validate on, in (0, 1).
        seed: of the choice.

    Raises:
        UserError: the fraction lies outside (0, 1), or leaves one of the two without points.
    """
    if not 0 < fraction < 1:
        raise UserError(f"validation_fraction must lie in (0, 1), got {fraction}.")
    held = round(len(train) * fraction)
    if not 0 < held < len(train):
        raise UserError(
            f"validation_fraction={fraction} of {len(train)} training points leaves {held} to validate on "
            f"and {len(train) - held} to learn from; both must be ≥ 1."
        )
    order = np.random.default_rng(seed).permutation(len(train))
    return train.take(np.sort(order[held:])), train.take(np.sort(order[:held]))
