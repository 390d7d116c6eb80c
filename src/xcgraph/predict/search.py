"""Exact search for the largest inner products: compressed vectors find candidates, float32 ranks them.

A product with the float32 vectors of 32,768 meta-labels reads 33 MB. For one point, this costs several
times as much as the rest of a prediction. 8-bit vectors take a quarter of this memory, and bfloat16 vectors
multiply five times as fast. The error of both is bounded (Cauchy and Schwarz). All vectors that can be among
the best within this bound are multiplied again in float32, so the search misses no vector.
"""

from typing import no_type_check

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from xcgraph.predict.kernels import REORDERED, dot, insert, kth_largest

_MAX_BLOCK = 64  # a block of products is skipped if its largest product is too small
_FEW_POINTS = 4  # up to this number of points, 8 bits are faster than bfloat16
_HALF_EPS = 2.0**-8  # largest relative error of rounding to bfloat16


class ExactSearch:
    """Finds the vectors with the largest inner products.

    Args:
        vectors: (vectors, dim) float32.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = np.ascontiguousarray(vectors)
        largest = np.abs(self._vectors).max(axis=1, initial=0)
        self._steps = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        self._codes = np.rint(self._vectors / self._steps[:, None]).astype(np.int8)
        self._code_error = _largest_norm(self._vectors - self._codes * self._steps[:, None])
        self._norm = _largest_norm(self._vectors)
        # Without processor instructions for bfloat16, 8 bits are faster for many points too.
        self._halves: torch.Tensor | None = None
        if torch.ops.mkldnn._is_mkldnn_bf16_supported():
            self._halves = torch.from_numpy(self._vectors).bfloat16()
            self._half_error = _largest_norm(self._vectors - self._halves.float().numpy())

    def __call__(self, points: NDArray[np.float32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return (points, k) numbers of vectors and their inner products, best first.

        Args:
            points: (points, dim) float32.
            k: vectors per point, at most the number of vectors.
        """
        norms = np.linalg.norm(points, axis=1)
        # The rounding error of float32 in a sum of dim terms.
        noise = points.shape[1] * np.finfo(np.float32).eps * self._norm * norms
        block = max(1, min(_MAX_BLOCK, len(self._vectors) // (8 * k)))
        if self._halves is None or len(points) <= _FEW_POINTS:
            slack = (2 * (self._code_error * norms + noise)).astype(np.float32)
            found = search_codes(self._codes, self._steps, self._vectors, points, slack, k, block)
        else:
            rounded = torch.from_numpy(points).bfloat16()
            products = torch.mm(rounded, self._halves.T).view(torch.int16).numpy()
            lost = np.linalg.norm(points - rounded.float().numpy(), axis=1)
            error = self._half_error * (norms + lost) + self._norm * lost + noise
            slack = (2 * error).astype(np.float32)
            found = search_halves(products, self._vectors, points, slack, k, block)
        best, values = found
        return best, values


def _largest_norm(vectors: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(vectors, axis=1).max(initial=0))


@numba.njit(nogil=True, cache=True)
@no_type_check
def search_codes(
    codes: NDArray[np.int8],
    steps: NDArray[np.float32],
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
    slack: NDArray[np.float32],
    k: int,
    block: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Search among 8-bit vectors.

    Args:
        codes: (vectors, dim) 8-bit vectors.
        steps: (vectors,) step size of each vector's codes.
        vectors: (vectors, dim) exact vectors.
        points: (points, dim).
        slack: (points,) twice the largest error of a product.
        k: vectors kept per point.
        block: products per block, small enough for at least k blocks.
    """
    best = np.full((len(points), k), -1, np.int32)
    values = np.zeros((len(points), k), np.float32)
    products, maxima = np.empty(len(codes), np.float32), _blocks_of(len(codes), block)
    for row in range(len(points)):
        multiply_codes(codes, steps, points[row], products)
        block_maxima(products, block, maxima)
        least = kth_largest(maxima, k) - slack[row]
        decide((products, maxima, block), least, vectors, points[row], (best[row], values[row]))
    return best, values


@numba.njit(nogil=True, cache=True)
@no_type_check
def search_halves(
    halves: NDArray[np.int16],
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
    slack: NDArray[np.float32],
    k: int,
    block: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Search by (points, vectors) products, given as bits of bfloat16; see :func:`search_codes`."""
    best = np.full((len(points), k), -1, np.int32)
    values = np.zeros((len(points), k), np.float32)
    wide = np.empty(halves.shape[1], np.int32)
    products, maxima = wide.view(np.float32), _blocks_of(halves.shape[1], block)
    for row in range(len(points)):
        bits = halves[row]
        for vector in range(len(bits)):
            wide[vector] = np.int32(bits[vector]) << np.int32(16)
        block_maxima(products, block, maxima)
        least = kth_largest(maxima, k)
        # The products were rounded too, each in proportion to its size.
        least -= slack[row] + np.float32(3 * _HALF_EPS) * abs(least)
        decide((products, maxima, block), least, vectors, points[row], (best[row], values[row]))
    return best, values


@numba.njit(nogil=True, cache=True, fastmath=REORDERED)
@no_type_check
def multiply_codes(
    codes: NDArray[np.int8],
    steps: NDArray[np.float32],
    point: NDArray[np.float32],
    products: NDArray[np.float32],
) -> None:
    """Compute the inner products of a point with 8-bit vectors."""
    for vector in range(len(codes)):
        total = np.float32(0)
        for place in range(len(point)):
            total += np.float32(codes[vector, place]) * point[place]
        products[vector] = total * steps[vector]


@numba.njit(nogil=True, cache=True)
@no_type_check
def decide(
    blocks: tuple[NDArray[np.float32], NDArray[np.float32], int],
    least: float,
    vectors: NDArray[np.float32],
    point: NDArray[np.float32],
    kept: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Multiply all candidates again in float32, and keep the best.

    Args:
        blocks: (vectors,) approximate products, the largest product of each block, and the block size.
        least: products below this bound cannot be among the best.
        vectors: (vectors, dim).
        point: (dim,).
        kept: (k,) numbers of vectors and inner products; this function fills them.
    """
    products, maxima, block = blocks
    best, values = kept
    filled = 0
    for number in range(len(maxima)):
        if maxima[number] >= least:
            for vector in range(number * block, min((number + 1) * block, len(products))):
                if products[vector] >= least:
                    filled = insert(best, values, filled, vector, dot(vectors[vector], point))


@numba.njit(nogil=True, cache=True)
@no_type_check
def _blocks_of(count: int, block: int) -> NDArray[np.float32]:
    return np.empty((count + block - 1) // block, np.float32)


@numba.njit(nogil=True, cache=True, fastmath=True)
@no_type_check
def block_maxima(products: NDArray[np.float32], block: int, maxima: NDArray[np.float32]) -> None:
    """Find the largest product of each block; their k-th largest is close to the k-th product."""
    for number in range(len(maxima)):
        part = products[number * block : (number + 1) * block]
        largest = part[0]
        for place in range(len(part)):
            largest = part[place] if part[place] > largest else largest
        maxima[number] = largest
