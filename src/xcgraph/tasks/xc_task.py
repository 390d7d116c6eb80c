"""ECLARE's LightningModule: it trains a point encoder, a label encoder and a classifier, in every stage."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from xcgraph.batch import XCBatch
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.label_encoder import LabelEncoder
from xcgraph.nn.likelihood import Likelihood, Logistic
from xcgraph.nn.portable import LabelScorer, checked_encoder, checked_link, to_array
from xcgraph.tasks.step import Step
from xcgraph.tasks.task import Task


class XCTask(Task):
    """Score labels, or meta-labels, for points: x̂ from ``encoder``, w_l from ``labels``, then ⟨w_l, x̂⟩ + b.

    The batch decides which labels are scored for which point.

    Args:
        encoder: encodes the text of a point as x̂.
        labels: encodes labels as vectors w_l.
        classifier: scores points against label vectors.
        likelihood: gives loss and probabilities of scores; ECLARE and DECAF use the logistic one.
    """

    def __init__(
        self,
        encoder: Encoder,
        labels: LabelEncoder,
        classifier: LabelClassifier,
        likelihood: Likelihood = Logistic(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = labels
        self.classifier = classifier
        self.likelihood = likelihood
        self._label_vectors: Tensor | None = None

    def label_vectors(self, label_ids: Int[Tensor, "labels"] | None = None) -> Float[Tensor, "labels dim"]:
        """Return w_l of the given labels, or of all labels."""
        vectors: Tensor = self.labels(label_ids)
        return vectors

    def forward(self, batch: XCBatch) -> Float[Tensor, "batch width"]:
        """Score each point against its shortlist, against the labels shared by the batch, or against all."""
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
        """Return the share of this process's points in the mean loss per point of the step."""
        return self.likelihood.loss(
            scores, batch.positives, batch.relevance, batch.label_weights, num_points=step.size
        )

    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and their log-probabilities.

        The log-probability of a shortlisted label is log σ(h_m·x̂) of its meta-label plus its own
        log σ(w_l·x̂). Without a shortlist, a softmax is taken over the returned labels only.
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
        """Release the label vectors."""
        self._label_vectors = None

    @torch.no_grad()
    def scoring(self) -> LabelScorer:
        """Return link(⟨w_l, x̂⟩ + b) in the portable form."""
        self.eval()
        return LabelScorer(
            encoder=checked_encoder(self.encoder.portable(), self.encoder, self.encoder),
            vectors=to_array(self.label_vectors()),
            bias=self.classifier.bias.item(),
            link=checked_link(self.likelihood.link, self.likelihood.log_probability, self.likelihood),
        )

    def view_shares(self, label_ids: Int[Tensor, "labels"] | None = None) -> dict[str, Tensor]:
        """Return by view the share that the fusion gives it, for each label; empty without such shares."""
        return self.labels.view_shares(label_ids)
