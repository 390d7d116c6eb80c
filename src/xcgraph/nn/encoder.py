"""Encoders: from the text of a point to its vector x̂."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import ResidualBlock, checked_dropout


class Encoder(nn.Module, ABC):
    """Turns the texts of points into vectors; labels share its :meth:`embed`.

    Attributes:
        dim: length of the vectors.
        is_additive: whether a weighted sum of texts is a text, embedded as the sum of their embeddings.
    """

    dim: int
    is_additive: bool = True

    @abstractmethod
    def embed(self, texts: TokenBag) -> Float[Tensor, "texts dim"]:
        """Embed texts of points or labels without the part that is learned for points alone."""

    @abstractmethod
    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""

    @abstractmethod
    def adopt_embedding(self, trained: "Encoder") -> None:
        """Take over what :meth:`embed` learned elsewhere."""

    @abstractmethod
    def freeze_embedding(self) -> None:
        """Keep what :meth:`embed` has learned as it is (ECLARE, Modules II to IV)."""

    def freeze_points(self) -> None:
        """Leave out what is learned for points alone, where :meth:`embed` is all that is asked for.

        Processes that share a training wait for the gradients of everything that is not frozen.
        """


class SumOfTokens(Encoder):
    """x̂ = dropout(E x): the weighted sum of token embeddings and nothing else, for points as for labels.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability that a coordinate of a point's vector is dropped.
        sparse_gradients: update only the embeddings of tokens that a batch touches. Faster for large
            vocabularies; for a small one dense Adam is faster, and it is not the same mathematics: dense
            Adam also moves a token by its momentum in steps without it.
    """

    def __init__(
        self, num_tokens: int, *, dim: int, dropout: float = 0.2, sparse_gradients: bool = False
    ) -> None:
        super().__init__()
        if dim < 1:
            raise UserError(f"encoder.dim must be ≥ 1, got {dim}.")
        self.dim = dim
        self.embedding = nn.EmbeddingBag(
            num_tokens, dim, mode="sum", include_last_offset=True, sparse=sparse_gradients
        )
        # A gain of 1/√3, as in torch's own linear layers: what a token starts with is noise to the labels
        # that it tells apart, and most tokens are too rare to unlearn more of it.
        nn.init.kaiming_uniform_(self.embedding.weight, a=math.sqrt(5))
        self.dropout = nn.Dropout(checked_dropout(dropout))

    def embed(self, texts: TokenBag) -> Float[Tensor, "texts dim"]:
        """Sum the token embeddings of each text by their weights."""
        vectors: Tensor = self.embedding(texts.tokens, texts.offsets, per_sample_weights=texts.weights)
        return vectors

    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""
        vectors: Tensor = self.dropout(self.embed(texts))
        return vectors

    def adopt_embedding(self, trained: "Encoder") -> None:
        """Take over trained token embeddings."""
        if not isinstance(trained, SumOfTokens):
            raise TypeError(f"Expected embeddings of tokens, got a {type(trained).__name__}.")
        self.embedding.load_state_dict(trained.embedding.state_dict())

    def freeze_embedding(self) -> None:
        """Keep the token embeddings as they are."""
        self.embedding.requires_grad_(False)


class ShiftedSumOfTokens(SumOfTokens):
    """x̂ = dropout(E x + o): what all points share, whatever they say, has the vector o.

    A label so has a prior, ⟨w_l, o⟩, which a point's words need not bring about. Labels' own vectors E z have
    no o: it would add the same to the scores of all labels.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability that a coordinate of a point's vector is dropped.
        sparse_gradients: as in :class:`SumOfTokens`.
    """

    def __init__(
        self, num_tokens: int, *, dim: int, dropout: float = 0.2, sparse_gradients: bool = False
    ) -> None:
        super().__init__(num_tokens, dim=dim, dropout=dropout, sparse_gradients=sparse_gradients)
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""
        vectors: Tensor = self.dropout(self.embed(texts) + self.shift)
        return vectors

    def freeze_points(self) -> None:
        """Keep o as it is."""
        self.shift.requires_grad_(False)


class BagOfTokens(SumOfTokens):
    """x̂ = dropout(ReLU(R(E x))): weighted sum of token embeddings, then a residual block R.

    ECLARE and DECAF, section 3 of either, differ in the block.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability in the block and after it.
        sparse_gradients: as in :class:`SumOfTokens`.
        block: makes R from the length of the vectors and the dropout.
    """

    def __init__(
        self,
        num_tokens: int,
        *,
        dim: int,
        dropout: float = 0.2,
        sparse_gradients: bool = False,
        block: Callable[[int, float], nn.Module] = ResidualBlock,
    ) -> None:
        super().__init__(num_tokens, dim=dim, dropout=dropout, sparse_gradients=sparse_gradients)
        self.block = block(dim, dropout)

    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""
        vectors: Tensor = self.dropout(self.block(self.embed(texts)).relu())
        return vectors

    def freeze_points(self) -> None:
        """Keep the block as it is."""
        self.block.requires_grad_(False)
