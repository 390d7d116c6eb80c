"""Build data sets of other domains from published source packages: ``xcgraph-data build``."""
