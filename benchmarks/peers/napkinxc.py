"""Probabilistic label trees of napkinXC (Jasinska-Kobus et al., 2020) with default settings."""

import tempfile
from pathlib import Path

import numpy as np
from napkinxc.models import PLT
from scipy.sparse import csr_matrix

from benchmarks.peers.trial import main


class LabelTree:
    """A label tree with a logistic regression in each node."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def fit(self, features: csr_matrix, labels: csr_matrix, threads: int) -> None:
        """Train the tree and write it to a temporary folder."""
        self.num_labels = labels.shape[1]
        PLT(self.folder.name, threads=threads, seed=0).fit(features, labels)

    def load(self, folder: Path) -> None:
        """Load the trained tree for prediction on one thread."""
        del folder  # ``fit`` chose another folder
        self.model = PLT(self.folder.name, threads=1)
        self.model.load()

    def predict(self, features: csr_matrix, top_k: int) -> csr_matrix:
        """Return (points, labels) probabilities of the ``top_k`` best labels of each point."""
        found = self.model.predict_proba(features, top_k=top_k)
        starts = np.concatenate([[0], np.cumsum([len(row) for row in found])])
        entries = np.array([entry for row in found for entry in row], np.float64).reshape(-1, 2)
        values, columns = entries[:, 1].astype(np.float32), entries[:, 0].astype(np.int32)
        return csr_matrix((values, columns, starts), shape=(features.shape[0], self.num_labels))


if __name__ == "__main__":
    main(LabelTree())
