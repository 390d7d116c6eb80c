"""A straightforward ECLARE with one tree, the reference that our recipes are compared with.

The reference was written from a description of the public code alone and does the same work. It slices points
one by one out of sparse matrices. The surrogate and the shortlister score all meta-labels densely. The ranker
encodes all distinct labels of every batch and gathers them into a padded (batch, shortlist, dim) tensor. All
tensors are float32 under autograd. The code for reading, label graph, clustering and metrics is shared with
xcgraph, because the benchmark does not compare these parts.

    python -m benchmarks.reference data=lf_wordnet_8k                  # the whole recipe
    python -m benchmarks.reference --epochs 1 1 1 data=lf_wordnet_8k   # one epoch of each module

Both commands report the cost of the whole recipe, computed from the median epochs.
"""
