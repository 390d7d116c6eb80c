"""Trained models: a tree is a shortlister and a ranker, an ensemble the mean of its members."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from xcgraph.pipeline.ranker import Ranker
from xcgraph.pipeline.shortlister import Shortlister, shortlist, unlabelled
from xcgraph.sparse import retain_top_k


@runtime_checkable
class Member(Protocol):
    """What an ensemble averages."""

    @property
    def top_k(self) -> int:
        """The most labels that a point gets."""

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, a few per row."""


@dataclass(frozen=True)
class Tree:
    """One clustering of the labels with its shortlister and ranker."""

    shortlister: Shortlister
    ranker: Ranker

    @property
    def top_k(self) -> int:
        """The most labels that a point gets."""
        return self.ranker.config.top_k

    def score(self, features: csr_array) -> csr_array:
        """Score the labels of a beam for each of the (points, tokens) texts."""
        points = unlabelled(features, self.ranker.graph.shape[0])
        return self.ranker.score(shortlist(points, self.shortlister, self.shortlister.beams(features)))


@dataclass(frozen=True)
class Ensemble:
    """Models of the same labels; their scores are averaged as they are, in probability space."""

    members: tuple[Member, ...]

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) mean scores; a label that a member did not score counts 0 there."""
        total = self.members[0].score(features)
        for member in self.members[1:]:
            total = total + member.score(features)
        mean = csr_array(total / len(self.members), dtype=np.float32)
        return retain_top_k(mean, max(member.top_k for member in self.members))
