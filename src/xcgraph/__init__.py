"""xcgraph: extreme classification with label text and label graphs."""

__version__ = "0.1.0"
