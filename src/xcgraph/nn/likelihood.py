"""What scores mean: the loss that they are trained by, and the probabilities that they become."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


class Likelihood(ABC):
    """How probable labels are, given scores."""

    @abstractmethod
    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return a negative log-likelihood, summed over the labels of a point and averaged over points.

        Args:
            scores: logits; -inf is padding.
            positives: (row, column) of the true entries.
            relevance: how true each of them is, in (0, 1]; None: entirely.
        """

    @abstractmethod
    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the log-probabilities of the labels that were scored; padding stays -inf."""


@dataclass(frozen=True)
class Logistic(Likelihood):
    """σ(s_l) for each label by itself: binary cross-entropy over all scored labels (ECLARE, DECAF).

    Equal to ``binary_cross_entropy_with_logits`` against a dense target, without making one. The public code
    averages over labels too; Adam sees no difference until gradients come near its epsilon, which those of
    rare labels would.
    """

    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return Σ softplus(s) − Σ r_l s_l per point."""
        return (functional.softplus(scores).sum() - _sum_of(scores, positives, relevance)) / len(scores)

    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return log σ(s)."""
        return functional.logsigmoid(scores)


@dataclass(frozen=True)
class Softmax(Likelihood):
    """exp(s_l) / Σ_k exp(s_k): all scored labels compete, and each true one is drawn for itself.

    A point with several true labels counts once for each. Labels that are never true cost nothing once they
    lie below the true ones: rare labels keep what their texts say, where :class:`Logistic` pushes them down
    at every point.
    """

    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return Σ r_l (log Σ_k exp(s_k) − s_l) per point."""
        totals = scores.logsumexp(dim=1)[positives[:, 0]]
        weighed = totals if relevance is None else totals * relevance
        return (weighed.sum() - _sum_of(scores, positives, relevance)) / len(scores)

    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return log-probabilities that sum to one over the scored labels of a point."""
        return functional.log_softmax(scores, dim=1)


def _sum_of(scores: Tensor, positives: Tensor, relevance: Tensor | None) -> Tensor:
    hits = scores[positives[:, 0], positives[:, 1]]
    return hits.sum() if relevance is None else (hits * relevance).sum()
