"""Makes this folder importable as ``xcgraph.conf``, which Hydra's ``pkg://xcgraph.conf`` needs."""
