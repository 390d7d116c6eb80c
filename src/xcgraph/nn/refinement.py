"""Refinement vectors ẑ³: free vectors that labels learn beside the views of their texts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from xcgraph.nn.label_graph import Views


class RefinementVectors(nn.Module):
    """One free vector per label as an additional view.

    Args:
        start: initial vectors. ECLARE starts from the last graph view, Ĝ Z E. DECAF has no graph and starts
            from the label's own text, Z E.
        sparse_gradients: update only the vectors of the labels in a step. This suits batches with few labels;
            if each step scores all labels, dense gradients are faster. The results differ: in a step without
            a label, dense Adam still moves the label's vector by its momentum. Training on several GPUs
            needs dense gradients, because NCCL exchanges no others.
    """

    num_views = 1

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool = True) -> None:
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(start.clone(), freeze=False, sparse=sparse_gradients)

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return the refinement vectors of the given labels, or of all labels."""
        if label_ids is None and not self.vectors.sparse:
            return (self.vectors.weight,)
        if label_ids is None:
            label_ids = torch.arange(self.vectors.num_embeddings, device=self.vectors.weight.device)
        vectors: Tensor = self.vectors(label_ids)
        return (vectors,)


class RandomRefinementVectors(RefinementVectors):
    """Refinement vectors with random initial values, like token embeddings (DECAF-no-init).

    Args:
        start: gives the shape and the type of the vectors.
        sparse_gradients: as in :class:`RefinementVectors`.
    """

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool = True) -> None:
        bound = start.shape[1] ** -0.5
        super().__init__(torch.empty_like(start).uniform_(-bound, bound), sparse_gradients=sparse_gradients)


class ZeroRefinementVectors(RefinementVectors):
    """Refinement vectors that start at zero: at first, only its texts determine the vector of a label.

    Args:
        start: gives the shape and the type of the vectors.
        sparse_gradients: as in :class:`RefinementVectors`. None lets the joint recipe decide: sparse if a
            step scores a sample of the labels; elsewhere it means dense.
    """

    def __init__(self, start: Float[Tensor, "labels dim"], *, sparse_gradients: bool | None = False) -> None:
        super().__init__(torch.zeros_like(start), sparse_gradients=bool(sparse_gradients))


class NoRefinement(nn.Module):
    """Adds no view: for Module I of ECLARE, and for ablations.

    Args:
        start: not used; all refinements take it.
    """

    num_views = 0

    def __init__(self, start: Float[Tensor, "labels dim"]) -> None:
        super().__init__()
        del start

    def forward(self, label_ids: Int[Tensor, "ids"] | None = None) -> Views:
        """Return an empty tuple of views."""
        del label_ids
        return ()
