"""The label encoder: from the texts of labels to their classifier vectors w_l (ECLARE section 3)."""

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from xcgraph.batch import LabelSets
from xcgraph.nn.fusion import Fusion
from xcgraph.nn.label_graph import Views
from xcgraph.row_blocks import bucket_sizes

# The number of labels changes from step to step. On a CPU, blocks of recurring sizes let the allocator reuse
# freed memory. For a few blocks this does not pay.
_LABELS_AT_A_TIME = 1 << 13
_FEW_BLOCKS = 4


class LabelEncoder(nn.Module):
    """Encode labels as w_l, in the steps of the figure on page 3 of ECLARE's paper.

    ::

        text         v^h = (Ĝʰ Z E)_l             raw view: own text for h = 0, text of neighbours for h ≥ 1
        blocks       ẑ^h = R_h(v^h)               h = 0 is LTE, h ≥ 1 is GALE; one residual block per hop
        refinement   ẑ^r                          a free vector of the label
        fusion       w_l = fusion(ẑ^0, ẑ^1, ẑ^r)  attention in ECLARE, gates in DECAF

    The convolution with Ĝ acts on the raw sums of token embeddings and the learned blocks come after it. A
    step thus computes only the labels that its batch asks for.

    Args:
        text: gives the raw views of labels, from hop 0 on:
            :class:`~xcgraph.nn.label_text.TiedLabelText` or :class:`~xcgraph.nn.label_text.FrozenLabelText`.
        blocks: by hop, the residual block of each text view; empty to use no text.
        refinement: further views, learned freely; :class:`~xcgraph.nn.refinement.NoRefinement` adds none.
        fusion: combines all views, those of ``blocks`` first.
    """

    def __init__(
        self, text: nn.Module, blocks: Mapping[int, nn.Module], *, refinement: nn.Module, fusion: Fusion
    ) -> None:
        super().__init__()
        self.text = text
        self.hops = tuple(blocks)
        self.blocks = nn.ModuleList(blocks.values())
        self.fusion = fusion
        self.refinement = refinement

    def forward(self, label_ids: Int[Tensor, "labels"] | None = None) -> Float[Tensor, "labels dim"]:
        """Return w_l of the given labels, or of all labels."""
        refined: Views = self.refinement(label_ids)
        size = _LABELS_AT_A_TIME
        if label_ids is None or len(label_ids) <= _FEW_BLOCKS * size or label_ids.device.type != "cpu":
            return self._fuse(label_ids, refined)
        sizes = bucket_sizes(len(label_ids), size)
        blocks = zip(label_ids.split(sizes), *(view.split(sizes) for view in refined), strict=True)
        with parametrize.cached():  # spectral norms take one power iteration per step, not one per block
            return torch.cat([self._fuse(ids, tuple(rows)) for ids, *rows in blocks])

    def text_views(self, label_ids: Int[Tensor, "labels"] | None = None) -> Views:
        """Return ẑ^h = R_h((Ĝʰ Z E)_l), one view per hop, of the given labels or of all labels."""
        if not self.hops:
            return ()
        raw: Views = self.text(label_ids)
        return tuple(block(raw[hop]) for hop, block in zip(self.hops, self.blocks, strict=True))

    @torch.no_grad()
    def view_shares(
        self, label_ids: Int[Tensor, "labels"] | None = None
    ) -> dict[str, Float[Tensor, "labels"]]:
        """Return the share that the fusion gives each view of each label.

        Returns:
            A share per label, by name of the view: ``text``, ``graph``, ``graph, 2 hops``, ``refinement``.
            The shares of a label sum to 1. Empty if the fusion has no weights per label.
        """
        shares = self.fusion.weights((*self.text_views(label_ids), *self.refinement(label_ids)))
        if shares is None:
            return {}
        names = [_hop_name(hop) for hop in self.hops]
        extra = shares.shape[1] - len(names)
        names += [_numbered("refinement", number) for number in range(extra)]
        return dict(zip(names, shares.unbind(1), strict=True))

    def _fuse(self, label_ids: Tensor | None, refined: Views) -> Float[Tensor, "labels dim"]:
        return cast(Tensor, self.fusion((*self.text_views(label_ids), *refined)))


class MemberSums(nn.Module):
    """Sum the views of the members of each meta-label: û_m = Σ_{l ∈ C_m} ẑ_l.

    Args:
        members: the labels of each meta-label.
    """

    def __init__(self, members: LabelSets) -> None:
        super().__init__()
        self.register_buffer("ids", members.ids, persistent=False)
        self.register_buffer("offsets", members.offsets, persistent=False)

    def forward(self, views: Views) -> tuple[Float[Tensor, "meta dim"], ...]:
        """Return one row per meta-label from one row per label, view by view."""
        ids, offsets = cast(Tensor, self.ids), cast(Tensor, self.offsets)
        return tuple(
            functional.embedding_bag(ids, view, offsets, mode="sum", include_last_offset=True)
            for view in views
        )


class MetaLabelEncoder(LabelEncoder):
    """Encode meta-labels: their text views are the sums of their members' (DECAF, Module II).

    û_m = Σ_{l ∈ C_m} R_h((Ĝʰ Z E)_l). Refinement and fusion act on meta-labels, as in :class:`LabelEncoder`.

    Args:
        text: gives the raw views of the labels, not of the meta-labels.
        blocks: by hop, the residual block of the labels' views.
        members: sums the views of each meta-label's members.
        refinement: free vectors of the meta-labels.
        fusion: combines the views of a meta-label.
    """

    def __init__(
        self,
        text: nn.Module,
        blocks: Mapping[int, nn.Module],
        *,
        members: MemberSums,
        refinement: nn.Module,
        fusion: Fusion,
    ) -> None:
        super().__init__(text, blocks, refinement=refinement, fusion=fusion)
        self.members = members

    def text_views(self, label_ids: Int[Tensor, "labels"] | None = None) -> Views:
        """Return the summed views of the given meta-labels, or of all meta-labels."""
        sums: Views = self.members(super().text_views())
        return sums if label_ids is None else tuple(view[label_ids] for view in sums)


def _hop_name(hop: int) -> str:
    if hop < 2:
        return ("text", "graph")[hop]
    return f"graph, {hop} hops"


def _numbered(name: str, number: int) -> str:
    return f"{name} {number + 1}" if number else name
