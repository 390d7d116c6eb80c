"""RAMEN's LightningModule: a dual encoder, trained by triplets and graph regularizers."""

from jaxtyping import Float, Int
from torch import Tensor

from xcgraph.batch import XCBatch
from xcgraph.nn.contrast import Contrast
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.regularizer import Regularizer
from xcgraph.nn.retrieval import ExactRetrieval, Retrieval, Search
from xcgraph.tasks.graph_epochs import encode_points, start_epoch
from xcgraph.tasks.task import Task


class DualTask(Task):
    """Rank labels by the cosine of their text and the point's, both through one encoder.

    Graphs shape the encoder while it learns; ranking needs none.

    Args:
        encoder: E.
        truth: L, the loss between training points and their labels.
        regularizer: Σ λ R.
        retrieval: finds the labels nearest to a point.
    """

    def __init__(
        self, encoder: DualEncoder, truth: Contrast, regularizer: Regularizer, retrieval: Retrieval
    ) -> None:
        super().__init__()
        encoder.encoder.freeze_points()
        self.encoder = encoder
        self.truth = truth
        self.regularizer = regularizer
        self.retrieval = retrieval
        self._search: Search | None = None

    def label_vectors(self) -> Float[Tensor, "labels dim"]:
        """Return E(z_l) of all labels."""
        return self.encoder.in_blocks(self.truth.texts())

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return L + Σ λ R of a batch of training points."""
        step = self.step_of(batch)
        points = encode_points(self.encoder, batch, step)
        with self.drawing_alike():
            contrasted = self.truth(self.encoder, points)
            penalty: Tensor = self.regularizer(self.encoder, points, step.cut(contrasted.others))
            self.regularizer.observe(lambda: step.mean(contrasted.precision()))
        penalty = step.weigh(penalty)
        loss = step.weigh(contrasted.loss) + penalty
        self.log_loss(step, loss=loss, penalty=penalty)
        return loss

    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's nearest labels and the logarithm of (1 + cosine) / 2, which lies in [0, 1]."""
        search = self._search or self.retrieval.index(self.label_vectors())
        labels, cosines = search(self.encoder(batch.tokens), top_k)
        return labels, ((1 + cosines.clamp(-1, 1)) / 2).log()

    def on_train_epoch_start(self) -> None:
        """Let the regularizer prune."""
        start_epoch(self, self.regularizer, self.encoder, self.truth.texts)

    def on_validation_epoch_start(self) -> None:
        """Compare exactly: an approximate index would be built anew in every epoch."""
        self._search = ExactRetrieval().index(self.label_vectors())

    def start_ranking(self) -> None:
        """Prepare the search among all labels."""
        self._search = self.retrieval.index(self.label_vectors())

    def stop_ranking(self) -> None:
        """Forget it."""
        self._search = None
