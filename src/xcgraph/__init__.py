"""xcgraph: extreme classification with label text and label graphs."""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class that is imported at its first use
    if name == "Predictor":
        return importlib.import_module("xcgraph.predict.predictor").Predictor
    raise AttributeError(f"module 'xcgraph' has no attribute {name!r}")
