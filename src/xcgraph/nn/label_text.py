"""Texts of labels or anchors on the module's device."""

from jaxtyping import Int
from torch import Tensor, nn

from xcgraph.batch import TokenBag


class StoredTexts(nn.Module):
    """Texts of labels on the module's device.

    Args:
        texts: the texts of all labels.
    """

    def __init__(self, texts: TokenBag) -> None:
        super().__init__()
        for part in ("tokens", "weights", "offsets"):
            self.register_buffer(part, getattr(texts, part), persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> TokenBag:
        """Return the texts of the given labels, or of all."""
        texts = TokenBag(self.tokens, self.weights, self.offsets)  # type: ignore[arg-type]
        return texts if label_ids is None else texts.rows(label_ids)
