"""Measure other libraries on the same data, each in its own virtual environment, created on first use.

    python -m benchmarks.peers [--peers pecos napkinxc] [--data lf_wordnet_8k]

``xcgraph-data convert`` writes the data, and ``xcgraph-evaluate`` computes the metrics. Training and
prediction run in a separate process that sees only the packages of the library's environment.
"""
