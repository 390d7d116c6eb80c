"""Build data sets of other domains from their published source packages, for ``xcgraph-data build``."""
