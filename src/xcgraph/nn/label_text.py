"""The raw text views of labels: recomputed from trained token embeddings, or stored from frozen ones."""

from collections.abc import Callable, Sequence

from jaxtyping import Int
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.nn.label_graph import Graph, Propagation, Views


class StoredTexts(nn.Module):
    """The texts of labels on the module's device.

    Args:
        texts: the texts of all labels.
    """

    def __init__(self, texts: TokenBag) -> None:
        super().__init__()
        for part in ("tokens", "weights", "offsets"):
            self.register_buffer(part, getattr(texts, part), persistent=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1  # type: ignore[arg-type]

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> TokenBag:
        """Return the texts of the given labels, or of all labels."""
        texts = TokenBag(self.tokens, self.weights, self.offsets)  # type: ignore[arg-type]
        return texts if label_ids is None else texts.rows(label_ids)


class TiedLabelText(nn.Module):
    """Raw views of label texts under trained token embeddings, recomputed in every step.

    Some labels need no look-up of neighbours: Ĝʰ (Z E) = (Ĝʰ Z) E, so the text after h hops is a text itself,
    and only the texts of these labels are embedded. For all labels, one product with Ĝ per hop is cheaper,
    because neighbours share their embedded texts.

    Args:
        embed: embeds texts; the ``embed`` of an encoder.
        texts: the texts Z of all labels, and the texts Ĝʰ Z after each hop.
        graph: the label correlation graph Ĝ.
        propagation: the number of hops.
    """

    def __init__(
        self,
        embed: Callable[[TokenBag], Tensor],
        texts: Sequence[TokenBag],
        graph: Graph,
        propagation: Propagation,
    ) -> None:
        super().__init__()
        self._embed = embed
        self._propagation = propagation
        self.graph = graph
        self.texts = nn.ModuleList(StoredTexts(bag) for bag in texts)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the raw views of the given labels, or of all labels."""
        if label_ids is None:
            return self._propagation(self._embed(self.texts[0]()), self.graph)
        return tuple(self._embed(texts(label_ids)) for texts in self.texts)


class FrozenLabelText(nn.Module):
    """Raw views of label texts under frozen token embeddings, propagated once and stored as buffers.

    Args:
        views: the raw views of all labels.
    """

    def __init__(self, views: Views) -> None:
        super().__init__()
        self._names = [f"view_{hop}" for hop in range(len(views))]
        for name, view in zip(self._names, views, strict=True):
            self.register_buffer(name, view, persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the raw views of the given labels, or of all labels."""
        views = (self.get_buffer(name) for name in self._names)
        return tuple(view if label_ids is None else view[label_ids] for view in views)
