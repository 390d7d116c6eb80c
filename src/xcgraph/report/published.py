"""Published results: from papers and from the Extreme Classification Repository."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import yaml


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published results of one method on one dataset.

    Attributes:
        data: name of the dataset.
        method: name of the method, as published.
        source: publication that reports the values.
        values: values by metric, in percent. nDCG@1 = P@1 and PSnDCG@1 = PSP@1 are not repeated.
    """

    data: str
    method: str
    source: str
    values: Mapping[str, float]


def published_rows() -> list[Published]:
    """Return all published results that ship with the package."""
    text = resources.files("xcgraph.report").joinpath("published.yaml").read_text("utf-8")
    content = yaml.safe_load(text)
    return [
        Published(
            data=data,
            method=row["method"],
            source=content["sources"][row["source"]],
            values={name: float(value) for name, value in row["values"].items()},
        )
        for data, rows in content["rows"].items()
        for row in rows
    ]
