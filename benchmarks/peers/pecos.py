"""XR-Linear of PECOS (Yu et al., JMLR'22) with default settings and a beam of 50."""

import tempfile
from pathlib import Path

from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.xlinear.model import XLinearModel
from scipy.sparse import csr_matrix

from benchmarks.peers.trial import main

BEAM = 50


class XRLinear:
    """A tree of labels, clustered by the features of their points, with a linear classifier in each node."""

    def fit(self, features: csr_matrix, labels: csr_matrix, threads: int) -> None:
        """Cluster the labels and train the tree."""
        by_label = LabelEmbeddingFactory.create(labels, features, method="pifa")
        chain = Indexer.gen(by_label, indexer_type="hierarchicalkmeans", threads=threads)
        self.model = XLinearModel.train(features, labels.tocsc(), C=chain, threads=threads)

    def load(self, folder: Path) -> None:
        """Save the model and load it for prediction only, which is faster."""
        with tempfile.TemporaryDirectory(dir=folder) as saved:
            self.model.save(saved)
            self.model = XLinearModel.load(saved, is_predict_only=True)

    def predict(self, features: csr_matrix, top_k: int) -> csr_matrix:
        """Return (points, labels) scores of the ``top_k`` best labels of each point."""
        return self.model.predict(features, beam_size=BEAM, only_topk=top_k, threads=1)


if __name__ == "__main__":
    main(XRLinear())
