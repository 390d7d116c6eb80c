"""A portable model as one torch module, which ``torch.export`` can write."""

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.errors import UserError
from xcgraph.predict.model import Activation, Link, PointEncoder, PortableMember, PortableModel, Scoring

_MAX_PADDED = 1 << 28  # entries of a padded table; each takes 12 bytes
_TINY = float(np.finfo(np.float32).tiny)

Ranked = tuple[Tensor, Tensor]


class Program(nn.Module):
    """Ranks as :class:`~xcgraph.predict.engine.Engine` does, with operations that ``torch.export`` can write.

    It takes more memory than the engine: rows of different lengths become tables that are padded to the
    longest row, and sums over labels become (points, labels) matrices.

    Args:
        model: the portable model.
    """

    def __init__(self, model: PortableModel) -> None:
        super().__init__()
        self.trees = nn.ModuleList(_Tree(tree) for tree in model.trees)
        self._count, self._top_k = model.num_labels, model.top_k

    def forward(self, tokens: Tensor, weights: Tensor, offsets: Tensor) -> Ranked:
        """Return the best labels of points.

        Args:
            tokens: (entries,) int64 columns of tokens, point after point.
            weights: (entries,) float32.
            offsets: (points,) int64, the start of each point's entries, as for ``nn.EmbeddingBag``.

        Returns:
            (points, top_k) int64 labels, best first, and float32 scores; -1 and 0 where there are fewer.
        """
        # torch.export treats sizes of 0 and 1 as special cases. An extra point with two tokens of weight 0
        # avoids both sizes.
        bags = (
            torch.cat([tokens, tokens.new_zeros(2)]),
            torch.cat([weights, weights.new_zeros(2)]),
            torch.cat([offsets, offsets.new_tensor([0, 2]) + tokens.shape[0]]),
        )
        found = [tree(*bags) for tree in self.trees]
        labels, scores = found[0] if len(found) == 1 else self._average(found)
        return labels[:-1], scores[:-1]

    def _average(self, found: list[Ranked]) -> Ranked:
        labels, scores = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        best, sums = _ranked(_sums(labels, scores, self._count), self._top_k)
        return best, sums / len(found)


# The torch counterparts of xcgraph.nn.portable.LINKS and of the activations of PointEncoder.
_LINKS: dict[Link, Callable[[Tensor, float], Tensor]] = {
    "cosine": lambda values, bias: ((values + bias).clamp(-1, 1) + 1) / 2,
    "logistic": lambda values, bias: (values + bias).sigmoid(),
    "softmax": lambda values, _: values.softmax(dim=1),
}
_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "identity": lambda vectors: vectors,
    "relu": lambda vectors: vectors.relu(),
    "unit_norm": lambda vectors: vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12),
}


class _Tree(nn.Module):
    def __init__(self, tree: PortableMember) -> None:
        super().__init__()
        self.shortlister = _Shortlister(tree.shortlister)
        self.ranker = None if tree.ranker is None else _Ranker(tree.ranker, tree.members)

    def forward(self, tokens: Tensor, weights: Tensor, offsets: Tensor) -> Ranked:
        beam: Ranked = self.shortlister(tokens, weights, offsets)
        if self.ranker is None:
            return beam
        ranked: Ranked = self.ranker(tokens, weights, offsets, beam)
        return ranked


class _Shortlister(nn.Module):
    """Scores all meta-labels and keeps the best as the beam."""

    vectors: Tensor

    def __init__(self, scoring: Scoring) -> None:
        super().__init__()
        self.encoder, self.spread = _Encoder(scoring.encoder), _Spread(scoring)
        _keep(self, vectors=scoring.vectors)
        self._bias, self._top_k = scoring.bias, scoring.top_k
        self._link = _LINKS[scoring.link]

    def forward(self, tokens: Tensor, weights: Tensor, offsets: Tensor) -> Ranked:
        products = self.encoder(tokens, weights, offsets) @ self.vectors.T
        metas, values = _ranked(products, self._top_k)
        beam: Ranked = self.spread(metas, self._link(values, self._bias))
        return beam


class _Ranker(nn.Module):
    """Scores the labels of a beam's meta-labels: p(meta-label) · σ(⟨w_l, x̂⟩ + b)."""

    vectors: Tensor
    members: Tensor

    def __init__(self, scoring: Scoring, members: csr_array) -> None:
        super().__init__()
        self.encoder, self.spread = _Encoder(scoring.encoder), _Spread(scoring)
        _keep(self, vectors=scoring.vectors, members=_padded(members)[0])
        self._bias, self._top_k, self._count = scoring.bias, scoring.top_k, len(scoring.vectors)

    def forward(self, tokens: Tensor, weights: Tensor, offsets: Tensor, beam: Ranked) -> Ranked:
        points: Tensor = self.encoder(tokens, weights, offsets)
        shortlists = self.members[beam[0]]  # padding, -1, reads the last row, which is empty
        priors = beam[1].clamp(min=_TINY).log().unsqueeze(2).expand_as(shortlists)
        labels, order = shortlists.flatten(1).sort(dim=1)  # ties go to the smaller label
        vectors = self.vectors[labels.clamp(max=self._count - 1)]
        logits = (vectors @ points.unsqueeze(2)).squeeze(2) + self._bias
        scores = functional.logsigmoid(logits) + priors.flatten(1).gather(1, order)
        ranked = _ranked(scores.masked_fill(labels == self._count, -math.inf), self._top_k, labels)
        spread: Ranked = self.spread(ranked[0], torch.where(ranked[0] < 0, 0, ranked[1].exp()))
        return spread


class _Encoder(nn.Module):
    """Encodes token weights as x̂ = act(keep ⊙ v + W · ReLU(v) + b); see ``PointEncoder``."""

    embedding: Tensor
    keep: Tensor | None
    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, encoder: PointEncoder) -> None:
        super().__init__()
        _keep(
            self,
            embedding=encoder.embedding,
            keep=encoder.keep,
            weight=encoder.weight,
            bias=encoder.bias,
        )
        self._activation = _ACTIVATIONS[encoder.activation]

    def forward(self, tokens: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        vectors = functional.embedding_bag(
            tokens, self.embedding, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
        )
        encoded: Tensor = vectors if self.keep is None else self.keep * vectors
        if self.weight is not None:
            encoded = encoded + vectors.relu() @ self.weight.T
        if self.bias is not None:
            encoded = encoded + self.bias
        return self._activation(encoded)


class _Spread(nn.Module):
    """GAME: (1 − mix) · p + mix · top_k(p · Ĝ)."""

    neighbours: Tensor
    weights: Tensor

    def __init__(self, scoring: Scoring) -> None:
        super().__init__()
        neighbours, weights = _padded(scoring.graph)
        _keep(self, neighbours=neighbours, weights=weights)
        self._mix, self._top_k, self._count = scoring.game_mix, scoring.top_k, len(scoring.vectors)

    def forward(self, labels: Tensor, scores: Tensor) -> Ranked:
        if self._mix == 0:
            return labels, scores
        shares = scores.unsqueeze(2) * self.weights[labels]
        sums = _sums(self.neighbours[labels].flatten(1), shares.flatten(1), self._count)
        others, spread = _ranked(sums, self._top_k)
        both = torch.cat([self._mix * spread, (1 - self._mix) * scores], dim=1)
        return _ranked(_sums(torch.cat([others, labels], dim=1), both, self._count), self._top_k)


def _keep(module: nn.Module, **arrays: np.ndarray | None) -> None:
    """Register arrays as buffers of a module; None becomes a buffer that is None."""
    for name, array in arrays.items():
        module.register_buffer(name, None if array is None else torch.from_numpy(np.ascontiguousarray(array)))


def _padded(matrix: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows + 1, longest) tables of columns and values, padded with the number of columns and 0."""
    rows, columns = matrix.shape
    lengths = np.diff(matrix.indptr)
    width = max(1, int(lengths.max(initial=0)))
    if (rows + 1) * width > _MAX_PADDED:
        raise UserError(
            f"A program needs rows of about equal length, found {width} entries in one of {rows:,} "
            "rows: export without --program."
        )
    table, values = np.full((rows + 1, width), columns), np.zeros((rows + 1, width), np.float32)
    places = (
        np.repeat(np.arange(rows), lengths),
        np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths),
    )
    table[places], values[places] = matrix.indices, matrix.data
    return table, values


def _sums(labels: Tensor, values: Tensor, count: int) -> Tensor:
    """Sum (points, …) values by label into (points, labels); labels without a value get -inf."""
    columns = torch.where(labels < 0, count, labels)
    empty = values.new_zeros(values.shape[0], count + 1)
    found = empty.scatter(1, columns, 1.0)
    return empty.scatter_add(1, columns, values).masked_fill(found == 0, -math.inf)[:, :count]


def _ranked(values: Tensor, k: int, labels: Tensor | None = None) -> Ranked:
    """Return (points, k) columns, or their labels, and values, best first; ties go to the smaller column."""
    missing = max(0, k - values.shape[1])
    values = functional.pad(values, (0, missing), value=-math.inf)
    least = values.topk(k).values[:, -1:]
    above, ties = values > least, values == least
    kept = above | (ties & (ties.cumsum(1) <= k - above.sum(1, keepdim=True)))
    width = values.shape[1]
    columns = (
        torch.where(kept, torch.arange(width, device=values.device), width).topk(k, largest=False).values
    )
    best, order = values.gather(1, columns).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    if labels is not None:
        columns = functional.pad(labels, (0, missing)).gather(1, columns)
    empty = best == -math.inf
    return columns.masked_fill(empty, -1), best.masked_fill(empty, 0)
