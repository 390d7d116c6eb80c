"""A trained model as plain arrays: all that prediction needs, whatever recipe it came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.text.fitted_vectorizer import FittedVectorizer

Link = Literal["logistic", "cosine", "softmax"]

Vectors = NDArray[np.float32]

# Of a point: for so many, and for so many trees, memory is taken whatever the sizes of the files.
MOST_LABELS = 1 << 16
MOST_TREES = 256


@dataclass(frozen=True, kw_only=True)
class Block:
    """A folded residual block: v ↦ keep ⊙ v + weight · ReLU(v) + bias.

    Attributes:
        keep: (dim,).
        weight: (dim, dim).
        bias: (dim,).
    """

    keep: Vectors
    weight: Vectors
    bias: Vectors


@dataclass(frozen=True, kw_only=True)
class PointEncoder:
    """From token weights x to x̂ = ReLU(R(E x)), or without R to E x at unit norm, or to E x + o.

    Attributes:
        embedding: (tokens, dim) E.
        block: R, or None.
        unit_norm: whether E x is scaled to unit norm where there is no R.
        shift: (dim,) o, or None, where there is neither.
    """

    embedding: Vectors
    block: Block | None
    unit_norm: bool = True
    shift: Vectors | None = None

    def __post_init__(self) -> None:
        if self.shift is not None and (self.block is not None or self.unit_norm):
            raise ValueError("shift: expected one only where there is no block and no unit norm")


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Scores of labels, or of meta-labels, for points.

    Attributes:
        encoder: of the points.
        vectors: (labels, dim).
        bias: added to inner products.
        link: from an inner product to a score in [0, 1]: ``logistic``, ``cosine``: (1 + cosine) / 2, or
            ``softmax`` over the ``top_k`` best.
        graph: (labels, labels) Ĝ of GAME.
        game_mix: share of the graph-expanded scores in the final ones.
        top_k: scores kept per point, before and after GAME.
    """

    encoder: PointEncoder
    vectors: Vectors
    bias: float
    link: Link
    graph: csr_array
    game_mix: float
    top_k: int

    def __post_init__(self) -> None:
        dim = self.encoder.embedding.shape[1]
        count = len(self.vectors)
        block = self.encoder.block
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "vectors": (self.vectors, (count, dim)),
            "graph": (self.graph, (count, count)),
        }
        if self.encoder.shift is not None:
            shapes["shift"] = (self.encoder.shift, (dim,))
        if block is not None:
            shapes |= {"keep": (block.keep, (dim,)), "bias": (block.bias, (dim,))}
            shapes["weight"] = (block.weight, (dim, dim))
        for name, (array, expected) in shapes.items():
            if array.shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, found {array.shape}")
        if not 0 <= self.game_mix <= 1 or not 1 <= self.top_k <= min(count, MOST_LABELS):
            found = f"game_mix {self.game_mix}, top_k {self.top_k} of {count} labels"
            raise ValueError(f"expected values in range, found {found}")


@dataclass(frozen=True, kw_only=True)
class PortableMember:
    """A shortlister, and a ranker of the labels that it brings.

    Attributes:
        shortlister: scores meta-labels; labels themselves if there is no ranker.
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
        ranker: scores labels; None where the shortlister's scores are the last word.
        views: names of the views of a label whose shares are known, such as ``text`` and ``graph``.
        shares: (labels, views) how the ranker's fusion weighs them; (labels, 0) where it does not.
    """

    shortlister: Scoring
    members: csr_array
    ranker: Scoring | None
    views: Sequence[str]
    shares: Vectors

    def __post_init__(self) -> None:
        metas, labels = self.members.shape
        if metas != len(self.shortlister.vectors):
            raise ValueError(f"members: expected {len(self.shortlister.vectors)} meta-labels, found {metas}")
        if self.members.nnz != len(np.unique(self.members.indices)):
            raise ValueError("members: expected each label in one meta-label at most, found one in several")
        scored = len((self.ranker or self.shortlister).vectors)
        if scored != labels:
            raise ValueError(f"vectors: expected {labels} labels, found {scored}")
        if self.ranker is not None and self.ranker.link != "logistic":
            raise ValueError(f"link: expected logistic for a ranker, found {self.ranker.link}")
        if self.shares.shape != (labels, len(self.views)):
            raise ValueError(f"shares: expected {(labels, len(self.views))}, found {self.shares.shape}")


@dataclass(frozen=True, kw_only=True)
class PortableModel:
    """Trees whose scores are averaged, with what it takes to read texts and to name labels.

    Attributes:
        data: name of the data set that it was trained on.
        trees: at least one.
        label_names: one per label, or none.
        vocabulary: one token per column of the embeddings, or none.
        vectorizer: of raw text; None for a model of sparse features.
    """

    data: str
    trees: Sequence[PortableMember]
    label_names: Sequence[str] = ()
    vocabulary: Sequence[str] = ()
    vectorizer: FittedVectorizer | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.trees) <= MOST_TREES:
            raise ValueError(f"expected 1 to {MOST_TREES} trees, found {len(self.trees)}")
        counts = {tree.members.shape[1] for tree in self.trees}
        tokens = {len(scoring.encoder.embedding) for scoring in self.scorings()}
        if len(counts) > 1 or len(tokens) > 1:
            raise ValueError(f"expected one number of labels and tokens, found {counts} and {tokens}")
        for what, names, count in (
            ("label names", self.label_names, self.num_labels),
            ("tokens in the vocabulary", self.vocabulary, self.num_tokens),
        ):
            if names and len(names) != count:
                raise ValueError(f"expected {count} {what}, found {len(names)}")

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.trees[0].members.shape[1])

    @property
    def num_tokens(self) -> int:
        """The number of tokens."""
        return len(self.trees[0].shortlister.encoder.embedding)

    @property
    def top_k(self) -> int:
        """The most labels that a point can get."""
        return max((tree.ranker or tree.shortlister).top_k for tree in self.trees)

    def scorings(self) -> list[Scoring]:
        """List the shortlisters and rankers of all trees."""
        pairs = ((tree.shortlister, tree.ranker) for tree in self.trees)
        return [scoring for pair in pairs for scoring in pair if scoring is not None]
