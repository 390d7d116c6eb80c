"""Suites and their recorded values: for each data set a folder, for each suite two files.

``<suite>.yaml`` declares the runs. ``<suite>.records.yaml`` has the values that they reached.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

_RECORDS = ".records"


def suite_names() -> list[tuple[str, str]]:
    """Return the data set and the name of each suite."""
    return sorted(
        (folder.name, entry.name.removesuffix(".yaml"))
        for folder in resources.files(__package__).iterdir()
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml") and not entry.name.endswith(f"{_RECORDS}.yaml")
    )


def read_suite_file(data: str, suite: str) -> dict[str, Any] | None:
    """Return the content of a suite's file, or None if there is no such suite."""
    return _read(resources.files(__package__).joinpath(data, f"{suite}.yaml"))


def read_records_file(data: str, suite: str) -> dict[str, Any] | None:
    """Return the recorded values of a suite, or None if none are recorded."""
    return _read(resources.files(__package__).joinpath(data, f"{suite}{_RECORDS}.yaml"))


def _read(file: Traversable) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return content
