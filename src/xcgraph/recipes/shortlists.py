"""Module III: the beam of each point, and the shortlist of the labels in it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.graph.game import expand_scores
from xcgraph.recipes.workspace import Workspace
from xcgraph.sparse import top_k_rows


@dataclass(frozen=True)
class Beams:
    """The best meta-labels of each point.

    Attributes:
        meta_labels: (points, beam) meta-labels, best first, padded with -1.
        log_probability: (points, beam) their log-probabilities after GAME; 0 for padding.
    """

    meta_labels: NDArray[np.int32]
    log_probability: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """How to choose the beam of a point.

    Attributes:
        beam_size: meta-labels per point.
        game_mix: weight of the graph-expanded scores (GAME i).
    """

    beam_size: int
    game_mix: float


@runtime_checkable
class Shortlister(Protocol):
    """A trained shortlister.

    Attributes:
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
    """

    members: csr_array

    def beams(self, features: csr_array) -> Beams:
        """Find the best meta-labels of (points, tokens) texts (Module III)."""


def keep_beams(scores: csr_array, graph: csr_array, config: BeamConfig) -> Beams:
    """Expand (points, meta-labels) probabilities over the graph (GAME i), and keep each point's best ones."""
    expanded = expand_scores(scores, graph, config.game_mix, config.beam_size)
    meta_labels, probability = top_k_rows(expanded, config.beam_size)
    log_probability = np.log(probability.clip(min=np.finfo(np.float32).tiny))
    return Beams(meta_labels, np.where(meta_labels < 0, 0, log_probability).astype(np.float32))


def shortlist(
    split: Split, shortlister: Shortlister, beams: Beams, neighbours: csr_array | None = None
) -> ShortlistDataset:
    """Pair each point with the labels in its beam, and with their neighbours if a graph is passed."""
    return ShortlistDataset(split, beams.meta_labels, beams.log_probability, shortlister.members, neighbours)


def find_beams(work: Workspace, *, shortlister: Shortlister, split: str) -> dict[str, NDArray]:
    """Find the beams of the points of a split, ``train`` or ``valid``."""
    beams = shortlister.beams({"train": work.train, "valid": work.valid}[split].features)
    return {"meta_labels": beams.meta_labels, "log_probability": beams.log_probability}


def make_shortlists(
    work: Workspace,
    *,
    shortlister: Shortlister,
    train: dict[str, NDArray],
    valid: dict[str, NDArray],
    neighbours: csr_array | None,
) -> tuple[ShortlistDataset, ShortlistDataset]:
    """Build the shortlists to train and to validate on; ``neighbours`` joins the former only (GAME iii)."""
    return (
        shortlist(work.train, shortlister, Beams(**train), neighbours),
        shortlist(work.valid, shortlister, Beams(**valid)),
    )


def unlabelled(features: csr_array, num_labels: int) -> Split:
    """Return points that have text and no labels."""
    return Split(features, csr_array((features.shape[0], num_labels), dtype=np.float32), NO_PAIRS)
