"""ECLARE for one tree as one writes it first: what the recipes of this project are measured against.

It does what the public code is described to do, and was written from that description alone: points are
sliced out of sparse matrices one by one, the surrogate and the shortlister score all meta-labels densely, the
ranker encodes all distinct labels of a batch anew and gathers them into a padded (batch, shortlist, dim)
tensor, and everything is float32 under autograd. Reading, label graph, clustering and metrics are the
project's own: they are not what is compared.

    python -m benchmarks.reference data=lf_wordnet_8k                  # the whole recipe
    python -m benchmarks.reference --epochs 1 1 1 data=lf_wordnet_8k   # one epoch of each

Either says what the whole recipe takes at the median epoch.
"""
