"""RAMEN's dual encoder: points, labels and anchors become unit vectors of one encoder."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.batch import TokenBag
from xcgraph.nn.blocks import checked_dropout
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.portable import PointEncoder


class DualEncoder(nn.Module):
    """E(t) = v / ‖v‖ with v the :meth:`~xcgraph.nn.encoder.Encoder.embed` of a text (RAMEN section 3).

    Points, labels and anchors use the same parameters, and ⟨E(x), E(z)⟩ is a cosine. A text without any known
    token keeps the zero vector.

    Args:
        encoder: embeds texts.
        dropout: probability that a coordinate of v is dropped in training.
    """

    def __init__(self, encoder: Encoder, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(checked_dropout(dropout))

    def forward(self, texts: TokenBag) -> Float[Tensor, "texts dim"]:
        """Encode texts as unit vectors."""
        return functional.normalize(self.dropout(self.encoder.embed(texts)))

    def in_blocks(self, texts: TokenBag, size: int = 4096) -> Float[Tensor, "texts dim"]:
        """Encode many texts without gradients, ``size`` texts at a time."""
        device = texts.offsets.device
        count = len(texts.offsets) - 1
        with torch.no_grad():
            blocks = torch.arange(count, device=device).split(size) if count else ()
            vectors = [self(texts.rows(rows)) for rows in blocks]
        return torch.cat([*vectors, torch.empty(0, self.encoder.dim, device=device)])

    def portable(self) -> PointEncoder:
        """Return E without dropout in the portable form.

        Raises:
            UserError: the encoder of texts has no such form.
        """
        return self.encoder.portable_embedding().at_unit_norm()
