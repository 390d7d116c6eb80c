"""Sizes of the data, and settings that are lowered to them: a large setting is a cap, not an error."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from xcgraph.errors import UserError

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class DataSizes:
    """The sizes of a dataset that limit what a recipe can use.

    Attributes:
        num_points: number of points to train on, without the validation points.
        num_labels: number of labels.

    Raises:
        UserError: there are no labels.
    """

    num_points: int
    num_labels: int

    def __post_init__(self) -> None:
        check_num_labels(self.num_labels)


def lower(part: Part, name: str, limit: int, *, key: str) -> tuple[Part, tuple[str, ...]]:
    """Lower a field of a frozen dataclass to a limit.

    Args:
        part: the dataclass.
        name: name of the field.
        limit: the largest possible value.
        key: the user's name of the field, for the log.

    Returns:
        The dataclass, and the change for the log; the same dataclass and no change if the field fits.
    """
    value: int = getattr(part, name)
    if value <= limit:
        return part, ()
    lowered: Any = replace(part, **{name: limit})  # type: ignore[type-var]  # any dataclass
    return lowered, (f"{key} {value:,} → {limit:,}",)


def check_num_labels(num_labels: int) -> None:
    """Check that there is a label to predict.

    Raises:
        UserError: there are no labels.
    """
    if num_labels < 1:
        raise UserError("The dataset has no labels: expected at least one to train on.")
