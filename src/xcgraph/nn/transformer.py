"""An encoder that reads the tokens of a text in order: any Hugging Face model."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import checked_dropout
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.portable import PointEncoder, no_portable_form
from xcgraph.text.token_ids import no_such_model, require_transformers

POOLINGS = ("mean", "cls")


class TransformerEncoder(Encoder):
    """Encode a text with a pretrained transformer: the mean of its token vectors, or the first of them.

    Texts are rows of :class:`~xcgraph.text.token_ids.TokenIdVectorizer`. The encoder
    :class:`~xcgraph.nn.encoder.BagOfTokens` is much faster and ignores the order of words. A transformer has
    no portable form: its model cannot be exported or served.

    Args:
        max_length: length of the longest text in tokens, which is the number of columns of such rows.
        model: name or folder of the model.
        pooling: ``mean`` or ``cls``.
        dropout: probability of dropout on the points' vectors.

    Raises:
        UserError: the model or the pooling does not exist, or the texts are longer than the model reads.
    """

    is_additive = False

    def __init__(self, max_length: int, *, model: str, pooling: str = "mean", dropout: float = 0.1) -> None:
        super().__init__()
        require_transformers("encoder=transformer")
        if pooling not in POOLINGS:
            raise UserError(f"encoder.pooling: expected {' or '.join(POOLINGS)}, got {pooling}.")
        self.model = _load(model)
        if getattr(self.model, "pooler", None) is not None:  # unused here, so it gets no gradients
            self.model.pooler.requires_grad_(False)
        longest = self.model.config.max_position_embeddings
        if max_length > longest:
            raise UserError(
                f"encoder.model={model} reads texts of at most {longest} tokens, got {max_length}: choose "
                "text=token_ids and lower text.max_length."
            )
        self.dim = int(self.model.config.hidden_size)
        self.pooling = pooling
        self.dropout = nn.Dropout(checked_dropout(dropout))

    def embed(self, texts: TokenBag) -> Float[Tensor, "texts dim"]:
        """Encode texts without dropout on the result."""
        ids, is_token = _pad(texts)
        if not ids.numel():
            return torch.zeros(len(ids), self.dim, device=ids.device)
        vectors: Tensor = self.model(input_ids=ids, attention_mask=is_token.long()).last_hidden_state
        if self.pooling == "cls":
            return vectors[:, 0]
        return (vectors * is_token[:, :, None]).sum(dim=1) / is_token.sum(dim=1, keepdim=True)

    def forward(self, texts: TokenBag) -> Float[Tensor, "batch dim"]:
        """Encode the texts of points."""
        vectors: Tensor = self.dropout(self.embed(texts))
        return vectors

    def adopt_embedding(self, trained: Encoder) -> None:
        """Copy the parameters of a trained transformer."""
        if not isinstance(trained, TransformerEncoder):
            raise TypeError(f"Expected a TransformerEncoder, got a {type(trained).__name__}.")
        self.model.load_state_dict(trained.model.state_dict())

    def freeze_embedding(self) -> None:
        """Freeze the transformer."""
        self.model.requires_grad_(False)

    def portable(self) -> PointEncoder:
        """Raise a UserError: no portable form reads tokens in order."""
        raise no_portable_form(
            self, "it reads tokens in order; train with encoder=bag_of_tokens to export a model"
        )

    def portable_embedding(self) -> PointEncoder:
        """Raise a UserError, as :meth:`portable` does."""
        return self.portable()


def _load(model: str) -> Any:  # noqa: ANN401 - a package that may be missing
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a second only
    try:
        return AutoModel.from_pretrained(model, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise no_such_model("encoder.model", model, error) from error


def _pad(texts: TokenBag) -> tuple[Int[Tensor, "texts length"], Bool[Tensor, "texts length"]]:
    """Return token ids in rows as wide as the longest text, and a mask of the tokens.

    A text without tokens becomes the token 0, because attention over no token is undefined.
    """
    lengths = texts.offsets.diff()
    width = max(int(lengths.max()), 1) if len(lengths) else 0
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    ids = torch.zeros(len(lengths), width, dtype=torch.int64, device=lengths.device)
    ids[rows, texts.tokens] = texts.weights.long() - 1
    return ids, torch.arange(width, device=lengths.device) < lengths.clamp(min=1)[:, None]
