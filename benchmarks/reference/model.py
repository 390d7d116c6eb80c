"""The network of ECLARE (section 3): point encoder, label encoder and scores."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.reference.points import Bag, LabelBatch, ShortlistBatch

DROPOUT = 0.2


class Embeddings(nn.EmbeddingBag):
    """E: a text is the weighted sum of the vectors of its tokens."""

    def __init__(self, num_tokens: int, dim: int) -> None:
        super().__init__(num_tokens, dim, mode="sum", sparse=True)
        nn.init.kaiming_uniform_(self.weight)

    def embed(self, texts: Bag) -> Tensor:
        """Return (texts, dim) vectors."""
        found: Tensor = self(texts.tokens, texts.offsets, per_sample_weights=texts.weights)
        return found


class Residual(nn.Module):
    """E(v) = v + k · SN(W) · dropout(ReLU(v)), where W starts as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        linear = nn.Linear(dim, dim)
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
        self.linear = spectral_norm(linear)
        self.scale = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: Tensor) -> Tensor:
        """Transform (any, dim) vectors."""
        return self.scale * self.linear(self.dropout(vectors.relu())) + vectors


class Attention(nn.Module):
    """w = Σ_i a_i ẑ^i with a = softmax(SN(W₂) · vec[SN(W₁) · dropout(ReLU(ẑ^i)) + b₁])."""

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        first, second = nn.Linear(dim, dim), nn.Linear(num_views * dim, num_views, bias=False)
        nn.init.xavier_uniform_(first.weight)
        nn.init.xavier_uniform_(second.weight)
        self.first, self.second = spectral_norm(first), spectral_norm(second)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, views: Tensor) -> Tensor:
        """Fuse (labels, views, dim) into (labels, dim)."""
        hidden = self.first(self.dropout(views.relu()))
        weights = self.second(hidden.flatten(1)).softmax(dim=1)
        return (weights.unsqueeze(2) * views).sum(dim=1)


class Model(nn.Module):
    """Scores points against labels or meta-labels.

    Args:
        embeddings: E, shared by points and labels.
        refinement: (labels, dim) initial refinement vectors, or None for a model without them.
    """

    def __init__(self, embeddings: Embeddings, refinement: Tensor | None = None) -> None:
        super().__init__()
        dim = embeddings.embedding_dim
        self.embeddings = embeddings
        self.point_block, self.text_block, self.graph_block = (Residual(dim) for _ in range(3))
        self.point_dropout = nn.Dropout(DROPOUT)
        self.refinement = None
        if refinement is not None:
            self.refinement = nn.Embedding.from_pretrained(refinement.clone(), freeze=False, sparse=True)
        self.attention = Attention(dim, 2 if refinement is None else 3)

    def encode_points(self, points: Bag) -> Tensor:
        """Return x̂, (points, dim)."""
        vectors: Tensor = self.point_dropout(self.point_block(self.embeddings.embed(points)).relu())
        return vectors

    def encode_labels(self, labels: LabelBatch) -> Tensor:
        """Return w, (labels, dim), from label text (LTE), graph (GALE) and refinement vectors."""
        texts = self.embeddings.embed(labels.texts)
        views = [self.text_block(texts[labels.own]), self.graph_block(torch.sparse.mm(labels.graph, texts))]
        if self.refinement is not None:
            views.append(self.refinement(labels.ids))
        fused: Tensor = self.attention(torch.stack(views, dim=1))
        return fused

    def score_all(self, points: Bag, labels: LabelBatch) -> Tensor:
        """Return (points, labels) logits."""
        return self.encode_points(points) @ self.encode_labels(labels).T

    def score_shortlists(self, batch: ShortlistBatch) -> Tensor:
        """Return (points, shortlist) logits."""
        return gathered_scores(
            self.encode_points(batch.points), self.encode_labels(batch.labels), batch.positions
        )


def gathered_scores(points: Tensor, labels: Tensor, positions: Tensor) -> Tensor:
    """Gather the label vectors of each point, (batch, shortlist, dim), and multiply them with its vector."""
    gathered = functional.embedding(positions, labels)
    return torch.bmm(gathered, points.unsqueeze(2)).squeeze(2)


def smoothed_texts(embeddings: Embeddings, labels: LabelBatch) -> Tensor:
    """Return Ĝ · Z · E, the initial refinement vectors."""
    with torch.no_grad():
        return torch.sparse.mm(labels.graph, embeddings.embed(labels.texts))
