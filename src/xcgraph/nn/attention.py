"""Attention of labels over their views, with one pass over memory forward and one backward."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from xcgraph.nn.label_graph import Views
from xcgraph.row_blocks import row_blocks


def attend(
    views: Views, weight: Float[Tensor, "views views dim"], bias: Float[Tensor, "views"], *, dropout: float
) -> tuple[Float[Tensor, "labels dim"], Float[Tensor, "labels views"]]:
    """Return Σ_i a^i ẑ^i with a = softmax(Σ_i A^i dropout(ReLU(ẑ^i)) + b), and the weights a.

    The weights pass no gradient. As a chain of torch functions, the attention takes thirty passes over
    (labels, dim) tensors that exceed the CPU cache, as many as the rest of a step.

    Args:
        views: the views ẑ^i.
        weight: A; the second axis is i.
        bias: b.
        dropout: probability of dropout.
    """
    kind = views[0].dtype  # autocast gives parameters a shorter type
    fused, shares = _Attention.apply(weight.to(kind), bias.to(kind), dropout, *views)
    return fused, shares


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context object
        weight: Tensor,
        bias: Tensor,
        dropout: float,
        *views: Tensor,
    ) -> tuple[Tensor, Tensor]:
        fused, shares = torch.empty_like(views[0]), views[0].new_empty(len(views[0]), len(bias))
        masks = tuple(view.new_empty(view.shape if dropout else 0, dtype=torch.bool) for view in views)
        with torch.autocast(fused.device.type, enabled=False):
            for rows, block in _blocks(views):
                scores = bias.expand(len(block[0]), -1)
                for view, factors, mask in zip(block, weight.unbind(1), masks, strict=True):
                    mask[rows].bernoulli_(1 - dropout)
                    scores = torch.addmm(scores, _hidden(view, mask[rows], dropout), factors.T)
                share = torch.softmax(scores, dim=1, out=shares[rows])
                torch.mul(block[0], share[:, :1], out=fused[rows])
                for view, column in zip(block[1:], share.T[1:], strict=True):
                    fused[rows].addcmul_(view, column[:, None])
        ctx.dropout, ctx.num_views = dropout, len(views)
        ctx.save_for_backward(weight, shares, *views, *masks)
        ctx.mark_non_differentiable(shares)
        return fused, shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's context object
        weight, shares, *others = ctx.saved_tensors
        views, masks = others[: ctx.num_views], others[ctx.num_views :]
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(weight[:, 0, 0])
        of_views = tuple(torch.empty_like(view) for view in views)
        for rows, block in _blocks(views):
            from_above, share = gradient[rows], shares[rows]
            of_share = torch.stack([(from_above * view).sum(dim=1) for view in block], dim=1)
            of_score = share * (of_share - (share * of_share).sum(dim=1, keepdim=True))
            of_bias += of_score.sum(dim=0)
            for index, view in enumerate(block):
                hidden = _hidden(view, masks[index][rows], ctx.dropout)
                of_weight[:, index].addmm_(of_score.T, hidden)
                found = torch.mm(of_score / (1 - ctx.dropout), weight[:, index], out=of_views[index][rows])
                found.mul_(hidden.sign_()).addcmul_(from_above, share[:, index, None])
        return of_weight, of_bias, None, *of_views


def _hidden(view: Tensor, mask: Tensor, dropout: float) -> Tensor:
    hidden = view.relu()
    return hidden.mul_(mask).div_(1 - dropout) if dropout else hidden


def _blocks(views: Sequence[Tensor]) -> Iterator[tuple[slice, list[Tensor]]]:
    for rows in row_blocks(len(views[0]), views[0].shape[1], views[0]):
        yield rows, [view[rows] for view in views]
