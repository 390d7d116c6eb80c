"""Trained models: a tree is a shortlister and a ranker, an ensemble the mean of its trees."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.batching import FullTargets
from xcgraph.data.shortlists import ShortlistTargets
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.pipeline.ranker import Ranker
from xcgraph.pipeline.shortlister import Shortlister
from xcgraph.sparse import retain_top_k


@dataclass(frozen=True)
class Tree:
    """One clustering of the labels with its shortlister and ranker."""

    shortlister: Shortlister
    ranker: Ranker

    def score(self, features: csr_array) -> csr_array:
        """Score the labels of a beam for each of the (points, tokens) texts."""
        metas = self.shortlister.meta_labels
        beams = self.shortlister.beams(FullTargets(unlabelled(features, metas.num_meta_labels)))
        points = unlabelled(features, self.ranker.graph.shape[0])
        return self.ranker.score(
            ShortlistTargets(points, beams.meta_labels, beams.log_probability, metas.membership())
        )


@dataclass(frozen=True)
class Ensemble:
    """Trees over the same labels; their scores are averaged as they are, in probability space."""

    trees: tuple[Tree, ...]

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) mean scores; a label that a tree did not score counts 0 there."""
        total = self.trees[0].score(features)
        for tree in self.trees[1:]:
            total = total + tree.score(features)
        mean = csr_array(total / len(self.trees), dtype=np.float32)
        return retain_top_k(mean, max(tree.ranker.config.top_k for tree in self.trees))


def unlabelled(features: csr_array, num_labels: int) -> Split:
    """Make points of which only the text is known."""
    return Split(features, csr_array((features.shape[0], num_labels), dtype=np.float32), NO_PAIRS)
