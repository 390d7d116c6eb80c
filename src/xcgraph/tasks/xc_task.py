"""ECLARE's LightningModule: an encoder, a label-graph layer and a classifier, trained in every stage."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

from xcgraph.batch import XCBatch
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.label_graph import Views
from xcgraph.nn.likelihood import Likelihood, Logistic
from xcgraph.row_blocks import bucket_sizes
from xcgraph.tasks.step import Step
from xcgraph.tasks.task import Task

# On a CPU, whose freed memory serves again where sizes do: a step asks for more or fewer labels than the one
# before. A few blocks are as well taken at once.
_LABELS_AT_A_TIME = 1 << 13
_FEW_BLOCKS = 4


class XCTask(Task):
    """Score labels for points; which labels, and what a label is, the batch and the parts decide.

    Args:
        encoder: text of a point → x̂.
        label_graph: label → views of its text and of its neighbours' texts.
        classifier: views → w_l, and ⟨w_l, x̂⟩.
        likelihood: from scores to the loss, and to probabilities; ECLARE and DECAF have the logistic one.
    """

    def __init__(
        self,
        encoder: Encoder,
        label_graph: nn.Module,
        classifier: LabelClassifier,
        likelihood: Likelihood = Logistic(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.label_graph = label_graph
        self.classifier = classifier
        self.likelihood = likelihood
        self._label_vectors: Tensor | None = None

    def label_vectors(self, label_ids: Int[Tensor, "labels"] | None = None) -> Float[Tensor, "labels dim"]:
        """Return w_l of the given labels, or of all."""
        refined: Views = self.classifier.refinement(label_ids)
        size = _LABELS_AT_A_TIME
        if label_ids is None or len(label_ids) <= _FEW_BLOCKS * size or label_ids.device.type != "cpu":
            return self.classifier.vectors(self.label_graph(label_ids), refined)
        sizes = bucket_sizes(len(label_ids), size)
        blocks = zip(label_ids.split(sizes), *(view.split(sizes) for view in refined), strict=True)
        with parametrize.cached():  # spectral norms take one iteration a step
            return torch.cat(
                [self.classifier.vectors(self.label_graph(ids), tuple(rows)) for ids, *rows in blocks]
            )

    def forward(self, batch: XCBatch) -> Float[Tensor, "batch width"]:
        """Score each point against its shortlist, or all against the labels they share, or all labels."""
        points = self.encoder(batch.tokens)
        label_ids = batch.label_ids
        if self._label_vectors is None:
            vectors = self.label_vectors(label_ids)
        else:
            vectors = self._label_vectors if label_ids is None else self._label_vectors[label_ids]
        scores: Tensor = self.classifier(points, vectors, batch.shortlist)
        return scores

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch."""
        step = self.step_of(batch)
        loss = step.scale_loss(self.loss(self(batch), batch, step))
        self.log_loss(step, loss=loss)
        return loss

    def loss(self, scores: Float[Tensor, "batch width"], batch: XCBatch, step: Step) -> Float[Tensor, ""]:
        """Return what a process's points add to the mean loss of a point of the step."""
        return self.likelihood.loss(
            scores, batch.positives, batch.relevance, batch.label_weights, num_points=step.size
        )

    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and their log-probabilities.

        That of a label of a shortlist is that of its meta-label plus its own: log σ(h_m·x̂) + log σ(w_l·x̂).
        Without a shortlist, the labels that are returned are those that share in the probability.
        """
        scores = self(batch).float()
        width = min(top_k, scores.shape[1])
        if batch.shortlist is None:
            best, columns = scores.topk(width, dim=1)
            return columns, self.likelihood.log_probability(best)
        log_probability = self.likelihood.log_probability(scores) + batch.shortlist.log_prior
        values, columns = log_probability.topk(width, dim=1)
        labels = batch.shortlist.label_ids[batch.shortlist.positions.clamp(min=0)].gather(1, columns)
        return labels.masked_fill(values == -torch.inf, -1), values

    def start_ranking(self) -> None:
        """Compute all label vectors."""
        self._label_vectors = self.label_vectors()

    def stop_ranking(self) -> None:
        """Forget them."""
        self._label_vectors = None
