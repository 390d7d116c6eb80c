"""SparseAdam with a single pass over memory."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SparseAdam

from xcgraph.row_blocks import row_blocks


class RowAdam(SparseAdam):
    """SparseAdam that updates a table in blocks of rows, with the same bits as torch's implementation.

    Torch's implementation makes a dozen passes over all rows with gradients. It also sorts and copies
    gradients whose rows are already ascending, such as the gradients of a batch's distinct labels.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - torch's signature
        """Update the rows that have a gradient; see :meth:`torch.optim.Optimizer.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, table.grad, group)
        return loss

    def _update(self, table: Tensor, sparse: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            zeros = (torch.zeros_like(table, memory_format=torch.preserve_format) for _ in range(2))
            state |= zip(("step", "exp_avg", "exp_avg_sq"), (0, *zeros), strict=True)
        state["step"] += 1
        first, second = group["betas"]
        scale = math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"])
        ids, gradient = _distinct(sparse)
        for rows in row_blocks(len(ids), table.shape[1], table):
            block_ids, new = ids[rows], gradient[rows]
            mean, square = (state[name].index_select(0, block_ids) for name in ("exp_avg", "exp_avg_sq"))
            mean += (new - mean).mul_(1 - first)
            square += (new * new).sub_(square).mul_(1 - second)
            state["exp_avg"].index_copy_(0, block_ids, mean)
            state["exp_avg_sq"].index_copy_(0, block_ids, square)
            change = mean.div_(square.sqrt_().add_(group["eps"])).mul_(-group["lr"] * scale)
            table.index_copy_(0, block_ids, table.index_select(0, block_ids).add_(change))


def _distinct(gradient: Tensor) -> tuple[Tensor, Tensor]:
    ids = gradient._indices()[0]  # the public method refuses gradients that are not coalesced
    if not bool((ids.diff() > 0).all()):
        gradient = gradient.coalesce()
        ids = gradient.indices()[0]
    return ids, gradient._values()
