"""xcgraph: extreme classification with label text and label graphs."""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Classifier", "Predictor", "fit", "load"]

# Loaded when they are first used: some need Lightning and Hydra.
_HOMES = {
    "Classifier": "xcgraph.classifier",
    "Predictor": "xcgraph.predict.predictor",
    "fit": "xcgraph.fitting",
    "load": "xcgraph.predict.predictor",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or function
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'xcgraph' has no attribute {name!r}")
