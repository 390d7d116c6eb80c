"""Exact search for the largest inner products: found among compressed vectors, decided among float32 ones.

A product with all vectors of 32,768 meta-labels reads 33 MB, which for one point costs several times what
all else does. Vectors of 8 bits are a quarter of that, and those of bfloat16 multiply five times as fast.
Either is wrong by no more than a bound (Cauchy and Schwarz), so whatever could be among the best within that
bound is multiplied again in float32: nothing is ever missed.
"""

from typing import no_type_check

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from xcgraph.predict.kernels import REORDERED, dot, insert

_BLOCK = 64  # products that are skipped together if the largest is too small
_FEW_POINTS = 4  # up to so many, 8 bits are faster
_HALF_EPS = 2.0**-8  # relative error of a number rounded to bfloat16, at most


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
        # Where no processor instruction multiplies bfloat16, it is slower than float32.
        wide = torch.from_numpy(self._vectors)
        fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        self._halves = wide.bfloat16() if fast else wide
        self._half_error = _largest_norm(self._vectors - self._halves.float().numpy())

    def __call__(self, points: NDArray[np.float32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return (points, k) vectors' numbers and their inner products, best first.

        Args:
            points: (points, dim) float32.
            k: at most the number of vectors.
        """
        norms = np.linalg.norm(points, axis=1)
        # What float32 itself rounds off in a sum of so many terms.
        noise = points.shape[1] * np.finfo(np.float32).eps * self._norm * norms
        if len(points) <= _FEW_POINTS:
            products = code_products(self._codes, self._steps, points)
            slack, relative = 2 * (self._code_error * norms + noise), 0.0
        else:
            rounded = torch.from_numpy(points).to(self._halves.dtype)
            products = torch.mm(rounded, self._halves.T).float().numpy()
            lost = np.linalg.norm(points - rounded.float().numpy(), axis=1)
            slack = 2 * (self._half_error * (norms + lost) + self._norm * lost + noise)
            relative = 3 * _HALF_EPS if self._halves.dtype == torch.bfloat16 else 0.0
        best, values = decide(products, slack.astype(np.float32), relative, self._vectors, points, k)
        return best, values


def _largest_norm(vectors: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(vectors, axis=1).max(initial=0))


@numba.njit(nogil=True, cache=True, fastmath=REORDERED)
@no_type_check
def code_products(
    codes: NDArray[np.int8], steps: NDArray[np.float32], points: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (points, vectors) inner products with vectors of 8 bits."""
    products = np.empty((len(points), len(codes)), np.float32)
    for row in range(len(points)):
        point = points[row]
        for vector in range(len(codes)):
            total = np.float32(0)
            code = codes[vector]
            for place in range(len(point)):
                total += np.float32(code[place]) * point[place]
            products[row, vector] = total * steps[vector]
    return products


@numba.njit(nogil=True, cache=True)
@no_type_check
def decide(
    products: NDArray[np.float32],
    slack: NDArray[np.float32],
    relative: float,
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
    k: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Multiply again, in float32, whatever could be among the best, and keep those.

    Args:
        products: (points, vectors) nearly right.
        slack: (points,) twice the most by which any of a point's products can be wrong, ...
        relative: ... and the same as a share of the k-th largest.
        vectors: (vectors, dim).
        points: (points, dim).
        k: how many to keep.
    """
    best = np.full((len(points), k), -1, np.int32)
    values = np.zeros((len(points), k), np.float32)
    count = products.shape[1]
    maxima = np.empty((count + _BLOCK - 1) // _BLOCK, np.float32)
    largest, ignored = np.empty(k, np.float32), np.empty(k, np.int32)
    for row in range(len(points)):
        block_maxima(products[row], maxima)
        filled = 0
        for block in range(len(maxima)):
            if filled == k and maxima[block] <= largest[k - 1]:
                continue
            for vector in range(block * _BLOCK, min((block + 1) * _BLOCK, count)):
                filled = insert(ignored, largest, filled, vector, products[row, vector])
        least = largest[filled - 1] if filled else np.float32(0)
        least -= slack[row] + np.float32(relative) * abs(least)
        filled = 0
        for block in range(len(maxima)):
            if maxima[block] < least:
                continue
            for vector in range(block * _BLOCK, min((block + 1) * _BLOCK, count)):
                if products[row, vector] >= least:
                    product = dot(vectors[vector], points[row])
                    filled = insert(best[row], values[row], filled, vector, product)
    return best, values


@numba.njit(nogil=True, cache=True, fastmath=True)
@no_type_check
def block_maxima(products: NDArray[np.float32], maxima: NDArray[np.float32]) -> None:
    """Find the largest product of each block."""
    for block in range(len(maxima)):
        largest = products[block * _BLOCK]
        for vector in range(block * _BLOCK, min((block + 1) * _BLOCK, len(products))):
            largest = max(largest, products[vector])
        maxima[block] = largest
