"""Inner products of some pairs of points and labels."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xcgraph.row_blocks import row_blocks


def sampled_product(
    points: Float[Tensor, "batch dim"],
    vectors: Float[Tensor, "labels dim"],
    positions: Int[Tensor, "batch width"],
) -> Float[Tensor, "batch width"]:
    """Return ⟨x_i, w_l⟩ for the labels l = ``positions[i, j]`` of each point i.

    Only these pairs are computed. A dense product of all points and labels would also compute all other
    pairs, which at 131K labels takes most of a training step.
    """
    kind = torch.promote_types(points.dtype, vectors.dtype)  # autocast may shorten one of the types
    product: Tensor = _SampledProduct.apply(points.to(kind), vectors.to(kind), positions)
    return product


class _SampledProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's
        points: Tensor,
        vectors: Tensor,
        positions: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(points, vectors, positions)
        batch, width = positions.shape
        products = points.new_empty(batch, width)
        with torch.autocast(points.device.type, enabled=False):
            for rows in row_blocks(batch, width * points.shape[1], points):
                places = positions[rows]
                found = vectors.index_select(0, places.flatten()).unflatten(0, places.shape)
                torch.bmm(found, points[rows, :, None], out=products[rows, :, None])
        return products

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        points, vectors, positions = ctx.saved_tensors
        batch, width = positions.shape
        # Both gradients are products with a sparse (points, labels) matrix, once transposed.
        places, weights = positions.flatten(), gradient.flatten()
        order = places.argsort(stable=True)
        counts = places.bincount(minlength=len(vectors))
        of_points = _weighted_sums(vectors, places, places.new_full((batch,), width), weights)
        of_vectors = _weighted_sums(points, order // max(1, width), counts, weights[order])
        return of_points, of_vectors, None


def _weighted_sums(rows: Tensor, ids: Tensor, lengths: Tensor, weights: Tensor) -> Tensor:
    """Sum weighted rows; ``lengths`` holds the number of rows of each sum."""
    offsets = functional.pad(lengths.cumsum(0), (1, 0))
    return functional.embedding_bag(
        ids, rows, offsets, mode="sum", include_last_offset=True, per_sample_weights=weights
    )
