"""Other libraries on the same points: each in an environment of its own, made when it is first needed.

    python -m benchmarks.peers [--peers pecos napkinxc] [--data lf_wordnet_8k]

The data is what ``xcgraph-data convert`` writes, the metrics are those of ``xcgraph-evaluate``; in between, a
peer is alone in its process with the packages of its own environment.
"""
