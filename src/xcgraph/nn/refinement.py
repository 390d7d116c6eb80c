"""Refinement vectors: what a label learns beyond its text and its neighbours (ẑ³)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from xcgraph.nn.label_graph import Views


class RefinementVectors(nn.Module):
    """One free vector per label as a further view.

    Args:
        start: the vectors to start from: ECLARE takes the last graph view, Ĝ Z E, and DECAF, which has none,
            the label's own text, Z E.
        sparse_gradients: update only the vectors of labels that a step touches, for batches that touch few;
            where each scores all labels, dense ones are faster. Dense Adam is not the same mathematics: it
            also moves a vector by its momentum in steps without it. NCCL, by which GPUs exchange gradients,
            takes dense ones alone.
    """

    num_views = 1

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool = True) -> None:
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(start.clone(), freeze=False, sparse=sparse_gradients)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the refinement vectors of the given labels, or of all."""
        if label_ids is None and not self.vectors.sparse:
            return (self.vectors.weight,)
        if label_ids is None:
            label_ids = torch.arange(self.vectors.num_embeddings, device=self.vectors.weight.device)
        vectors: Tensor = self.vectors(label_ids)
        return (vectors,)


class RandomRefinementVectors(RefinementVectors):
    """Refinement vectors that start at random, as token embeddings do (DECAF-no-init).

    Args:
        start: where the others would start; only its shape and type matter.
        sparse_gradients: as there.
    """

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool = True) -> None:
        bound = start.shape[1] ** -0.5
        super().__init__(torch.empty_like(start).uniform_(-bound, bound), sparse_gradients=sparse_gradients)


class ZeroRefinementVectors(RefinementVectors):
    """Refinement vectors that start at zero: a label begins as what its texts say, and departs from it.

    Args:
        start: where the others would start; only its shape and type matter.
        sparse_gradients: as in :class:`RefinementVectors`.
    """

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool = False) -> None:
        super().__init__(torch.zeros_like(start), sparse_gradients=sparse_gradients)


class NoRefinement(nn.Module):
    """No such view: Module I of ECLARE, and ablations.

    Args:
        start: where the vectors would start; it does not matter.
    """

    num_views = 0

    def __init__(self, start: Float[Tensor, "labels dim"]) -> None:
        super().__init__()
        del start

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return no view."""
        del label_ids
        return ()
