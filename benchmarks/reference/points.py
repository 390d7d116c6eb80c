"""Datasets of single points, and collate functions that join points into batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array, vstack
from torch import Tensor
from torch.utils.data import Dataset


@dataclass(frozen=True)
class Bag:
    """Texts as tokens with weights; the tokens of text i start at ``offsets[i]``."""

    tokens: Tensor
    weights: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, texts: csr_array) -> "Bag":
        """Build a bag from (texts, tokens) rows."""
        return cls(
            torch.from_numpy(texts.indices.astype(np.int64)),
            torch.from_numpy(texts.data.astype(np.float32)),
            torch.from_numpy(texts.indptr[:-1].astype(np.int64)),
        )


@dataclass(frozen=True)
class LabelBatch:
    """Labels to encode, with the texts that the graph convolution reads.

    Attributes:
        ids: (labels,) label ids.
        texts: texts of the nodes, which are these labels and all their neighbours.
        own: (labels,) index of each label among the nodes.
        graph: (labels, nodes) rows of Ĝ.
    """

    ids: Tensor
    texts: Bag
    own: Tensor
    graph: Tensor

    @classmethod
    def of(cls, ids: np.ndarray, label_features: csr_array, graph: csr_array) -> "LabelBatch":
        """Slice texts and graph rows of the given labels."""
        rows = graph[ids]
        nodes = np.union1d(ids, rows.indices)
        own = np.searchsorted(nodes, ids)
        return cls(
            torch.from_numpy(ids),
            Bag.of(label_features[nodes]),
            torch.from_numpy(own),
            _sparse(rows[:, nodes]),
        )


@dataclass(frozen=True)
class ShortlistBatch:
    """Points with a shortlist of labels each.

    Attributes:
        points: texts of the points.
        labels: distinct labels of all shortlists.
        positions: (batch, shortlist) index of each label in ``labels``; 0 for padding.
        is_padding: (batch, shortlist) mask of the padding.
        targets: (batch, shortlist) 1 where the point has the label, else 0.
        log_prior: (batch, shortlist) log-probability of the label's meta-label.
    """

    points: Bag
    labels: LabelBatch
    positions: Tensor
    is_padding: Tensor
    targets: Tensor
    log_prior: Tensor


class MetaPoints(Dataset[tuple[csr_array, csr_array]]):
    """Points with their meta-labels."""

    def __init__(self, features: csr_array, targets: csr_array) -> None:
        self.features, self.targets = features, targets

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def __getitem__(self, point: int) -> tuple[csr_array, csr_array]:
        row = slice(point, point + 1)
        return self.features[row], self.targets[row]


def collate_meta(items: Sequence[tuple[csr_array, csr_array]]) -> tuple[Bag, Tensor]:
    """Stack points and return their texts and dense (batch, meta) targets."""
    features, targets = (vstack(rows, format="csr") for rows in zip(*items, strict=True))
    return Bag.of(features), torch.from_numpy(targets.toarray())


class ShortlistedPoints(Dataset[tuple[csr_array, csr_array, csr_array]]):
    """Points with their labels and with the labels of the meta-labels in their beam.

    Args:
        features: (points, tokens) texts of the points.
        labels: (points, labels) targets.
        beams: (points, meta) sparse log-probabilities.
        members: (meta, labels) membership.
    """

    def __init__(self, features: csr_array, labels: csr_array, beams: csr_array, members: csr_array) -> None:
        self.features, self.labels, self.beams, self.members = features, labels, beams, members

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def __getitem__(self, point: int) -> tuple[csr_array, csr_array, csr_array]:
        row = slice(point, point + 1)
        return self.features[row], self.labels[row], self.beams[row] @ self.members


@dataclass(frozen=True)
class CollateShortlists:
    """Join points into a batch and slice the texts and graph rows of their labels.

    Attributes:
        label_features: (labels, tokens) label texts.
        graph: (labels, labels) Ĝ.
        join_neighbours: if true, add the neighbours of shortlisted labels (GAME in training).
    """

    label_features: csr_array
    graph: csr_array
    join_neighbours: bool

    def __call__(self, items: Sequence[tuple[csr_array, csr_array, csr_array]]) -> ShortlistBatch:
        """Build the batch of the given points."""
        features, labels, priors = (vstack(rows, format="csr") for rows in zip(*items, strict=True))
        shortlists = self._shortlists(priors)
        rows = shortlists.tolil().rows
        distinct = np.unique(shortlists.indices).astype(np.int64)
        shape = (len(items), max(map(len, rows)))
        positions, is_padding = np.zeros(shape, np.int64), np.ones(shape, np.bool_)
        targets, log_prior = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for place, (row, true) in enumerate(zip(rows, labels.tolil().rows, strict=True)):
            positions[place, : len(row)] = np.searchsorted(distinct, row)
            is_padding[place, : len(row)] = False
            targets[place, : len(row)] = np.isin(row, true)
        if not self.join_neighbours:  # only prediction uses priors, and it adds no neighbours
            log_prior[~is_padding] = shortlists.data
        return ShortlistBatch(
            Bag.of(features),
            LabelBatch.of(distinct, self.label_features, self.graph),
            *map(torch.from_numpy, (positions, is_padding, targets, log_prior)),
        )

    def _shortlists(self, priors: csr_array) -> csr_array:
        """Return (batch, labels) shortlists with sorted columns."""
        shortlists = priors
        if self.join_neighbours:
            ones = csr_array((np.ones_like(priors.data), priors.indices, priors.indptr), shape=priors.shape)
            shortlists = ones + ones @ self.graph
        shortlists.sort_indices()
        return shortlists


def _sparse(matrix: csr_array) -> Tensor:
    entries = matrix.tocoo()
    places = torch.from_numpy(np.stack(entries.coords).astype(np.int64))
    return torch.sparse_coo_tensor(
        places, torch.from_numpy(entries.data), matrix.shape, check_invariants=False
    )
