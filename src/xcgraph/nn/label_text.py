"""Where the raw views of labels come from: texts that learn with the token embeddings, or frozen ones."""

from collections.abc import Callable, Sequence

from jaxtyping import Int
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.nn.label_graph import Graph, Propagation, Views


class StoredTexts(nn.Module):
    """Texts of labels on the module's device.

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
        """Return the texts of the given labels, or of all."""
        texts = TokenBag(self.tokens, self.weights, self.offsets)  # type: ignore[arg-type]
        return texts if label_ids is None else texts.rows(label_ids)


class TiedLabelText(nn.Module):
    """Raw views of label texts that learn with the token embeddings: recomputed at every step.

    For some labels, no neighbour is looked up: Ĝʰ (Z E) = (Ĝʰ Z) E, so what has travelled h hops is a text
    itself, and only the texts of those labels are embedded. For all labels, a product with Ĝ per hop is
    cheaper, because neighbours share their embedded texts.

    Args:
        embed: the encoder's embedding of texts.
        texts: the texts of all labels, Z, and what they become after each hop, Ĝʰ Z.
        graph: the label correlation graph.
        propagation: how many hops.
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
        """Return the raw views of the given labels, or of all."""
        if label_ids is None:
            return self._propagation(self._embed(self.texts[0]()), self.graph)
        return tuple(self._embed(texts(label_ids)) for texts in self.texts)


class FrozenLabelText(nn.Module):
    """Raw views of label texts under frozen embeddings: propagated once, kept as a buffer.

    Args:
        views: all labels' raw views.
    """

    def __init__(self, views: Views) -> None:
        super().__init__()
        self._names = [f"view_{hop}" for hop in range(len(views))]
        for name, view in zip(self._names, views, strict=True):
            self.register_buffer(name, view, persistent=False)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the raw views of the given labels, or of all."""
        views = (self.get_buffer(name) for name in self._names)
        return tuple(view if label_ids is None else view[label_ids] for view in views)
