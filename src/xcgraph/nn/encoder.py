"""Encoders: turn the text of a point into its vector x̂."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import Foldable, ResidualBlock, checked_dropout
from xcgraph.nn.portable import PointEncoder, no_portable_form

_NO_FORM = (
    "give it methods portable and portable_embedding that return an xcgraph.nn.PointEncoder, or train with "
    "encoder=bag_of_tokens"
)


class Encoder(nn.Module, ABC):
    """Encodes the texts of points as vectors; the texts of labels use only :meth:`embed`.

    Attributes:
        dim: length of the vectors.
        is_additive: whether :meth:`embed` maps a weighted sum of texts to the weighted sum of their
            embeddings. Labels with a graph need this.
    """

    dim: int
    is_additive: bool = True

    @abstractmethod
    def embed(self, texts: TokenBag) -> Float[Tensor, "texts dim"]:
        """Embed texts of points or labels, without the parameters that only points use."""

    @abstractmethod
    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""

    @abstractmethod
    def adopt_embedding(self, trained: "Encoder") -> None:
        """Copy the parameters of :meth:`embed` from another encoder of this class."""

    @abstractmethod
    def freeze_embedding(self) -> None:
        """Freeze the parameters of :meth:`embed` (ECLARE, Modules II to IV)."""

    def freeze_points(self) -> None:
        """Freeze the parameters that only points use, for tasks that call nothing but :meth:`embed`.

        Processes that share a training wait for the gradient of every parameter that is not frozen.
        """

    def portable(self) -> PointEncoder:
        """Return :meth:`forward` without dropout in the portable form, which an exported model needs.

        Raises:
            UserError: the encoder has no such form.
        """
        raise no_portable_form(self, _NO_FORM)

    def portable_embedding(self) -> PointEncoder:
        """Return :meth:`embed` in the portable form, for models that compare embeddings of texts.

        Raises:
            UserError: the encoder has no such form.
        """
        raise no_portable_form(self, _NO_FORM)


class SumOfTokens(Encoder):
    """x̂ = dropout(E x): the weighted sum of token embeddings, for points and labels alike.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability of dropout on the coordinates of a point's vector.
        sparse_gradients: update only the embeddings of the tokens in a batch. This is faster for large
            vocabularies; for small ones dense Adam is faster. The results differ: in a step without a token,
            dense Adam still moves the token's embedding by its momentum.
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
        # A gain of 1/√3, as in torch's own linear layers. The initial embedding of a token is noise to its
        # labels, and most tokens are too rare to unlearn larger noise.
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
        """Copy trained token embeddings."""
        if not isinstance(trained, SumOfTokens):
            raise TypeError(f"Expected embeddings of tokens, got a {type(trained).__name__}.")
        self.embedding.load_state_dict(trained.embedding.state_dict())

    def freeze_embedding(self) -> None:
        """Freeze the token embeddings."""
        self.embedding.requires_grad_(False)

    def portable(self) -> PointEncoder:
        """Return E x."""
        return self.portable_embedding()

    def portable_embedding(self) -> PointEncoder:
        """Return E x."""
        return PointEncoder.from_tensors(self.embedding.weight)


class ShiftedSumOfTokens(SumOfTokens):
    """x̂ = dropout(E x + o): a sum of token embeddings plus a vector o that all points share.

    ⟨w_l, o⟩ acts as a per-label prior that does not depend on the point's text. The embeddings E z of label
    texts do not contain o, because it would add the same number to the scores of all labels.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability of dropout on the coordinates of a point's vector.
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
        """Freeze o."""
        self.shift.requires_grad_(False)

    def portable(self) -> PointEncoder:
        """Return E x + o."""
        return PointEncoder.from_tensors(self.embedding.weight, bias=self.shift)


class BagOfTokens(SumOfTokens):
    """x̂ = dropout(ReLU(R(E x))): weighted sum of token embeddings, then a residual block R.

    ECLARE and DECAF (section 3 of both papers) differ in the block.

    Args:
        num_tokens: size of the vocabulary.
        dim: length of the vectors.
        dropout: probability of dropout in the block and after it.
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
        """Freeze the block."""
        self.block.requires_grad_(False)

    def portable(self) -> PointEncoder:
        """Return ReLU(R(E x)).

        Raises:
            UserError: the block has no closed form.
        """
        if not isinstance(self.block, Foldable):
            raise no_portable_form(
                self.block, "give it a method folded that returns an xcgraph.nn.FoldedBlock"
            )
        folded = self.block.folded()
        return PointEncoder.from_tensors(
            self.embedding.weight,
            keep=folded.keep,
            weight=folded.weight,
            bias=folded.bias,
            activation="relu",
        )
