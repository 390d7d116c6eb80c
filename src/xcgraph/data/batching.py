"""Datasets that slice whole batches from sparse rows, without Python loops over points or dense matrices."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch.utils.data import Dataset

from xcgraph.batch import LabelSets, TokenBag, XCBatch
from xcgraph.data.xc_data import Split

Rows = NDArray[np.int64]


def token_bag(features: csr_array) -> TokenBag:
    """Convert (texts, tokens) rows to the input of ``EmbeddingBag``."""
    return TokenBag(
        tokens=torch.from_numpy(features.indices.astype(np.int64)),
        weights=torch.from_numpy(features.data.astype(np.float32)),
        offsets=torch.from_numpy(features.indptr.astype(np.int64)),
    )


def label_sets(labels: csr_array) -> LabelSets:
    """Convert (points, labels) rows to sets of label ids."""
    return LabelSets(
        ids=torch.from_numpy(labels.indices.astype(np.int64)),
        offsets=torch.from_numpy(labels.indptr.astype(np.int64)),
    )


class AllLabelsDataset(Dataset[XCBatch]):
    """Batches in which each point is scored against all labels.

    Args:
        split: points with their labels.
    """

    def __init__(self, split: Split) -> None:
        pairs = split.filter_pairs
        self._features = split.features
        self._labels = _canonical(split.labels)
        self._filtered = csr_array(
            (np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=split.labels.shape
        )

    def __len__(self) -> int:
        return int(self._features.shape[0])

    @property
    def num_labels(self) -> int:
        """The number of labels of the data set."""
        return int(self._labels.shape[1])

    def __getitem__(self, rows: Rows) -> XCBatch:
        """Return one batch with these rows, in this order."""
        labels = self._labels[rows]
        points = np.repeat(np.arange(len(rows)), np.diff(labels.indptr))
        return XCBatch(
            tokens=token_bag(self._features[rows]),
            labels=label_sets(labels),
            filtered=label_sets(self._filtered[rows]),
            positives=torch.from_numpy(np.column_stack([points, labels.indices]).astype(np.int64)),
            rows=torch.from_numpy(rows.astype(np.int64)),
        )


class WeightedLabelsDataset(AllLabelsDataset):
    """Batches like :class:`AllLabelsDataset`, in which each entry of the labels is a relevance in (0, 1]."""

    def __getitem__(self, rows: Rows) -> XCBatch:
        """Return one batch with these rows, in this order."""
        relevance = torch.from_numpy(self._labels[rows].data.astype(np.float32))
        return replace(super().__getitem__(rows), relevance=relevance)


def _canonical(labels: csr_array) -> csr_array:
    """Return the matrix with sorted and distinct columns in each row."""
    if labels.has_canonical_format:
        return labels
    canonical = labels.copy()
    canonical.sum_duplicates()
    return canonical
