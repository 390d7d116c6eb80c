"""Trained models: a tree is a shortlister and a ranker, an ensemble the mean of its trees."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from xcgraph.pipeline.ranker import Ranker
from xcgraph.pipeline.shortlister import Shortlister, shortlist, unlabelled
from xcgraph.sparse import retain_top_k


@dataclass(frozen=True)
class Tree:
    """One clustering of the labels with its shortlister and ranker."""

    shortlister: Shortlister
    ranker: Ranker

    def score(self, features: csr_array) -> csr_array:
        """Score the labels of a beam for each of the (points, tokens) texts."""
        points = unlabelled(features, self.ranker.graph.shape[0])
        return self.ranker.score(shortlist(points, self.shortlister, self.shortlister.beams(features)))


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
