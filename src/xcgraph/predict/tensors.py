"""Writes and reads the arrays of a portable model by name; equal arrays are stored once."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

_CSR = ("indptr", "indices", "data")


class TensorWriter:
    """Collects arrays by name; an array that equals another one gets the other's name."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, array: NDArray) -> str:
        """Add an array, and return its name in the file."""
        array = np.ascontiguousarray(array)
        digest = hashlib.sha256(f"{array.dtype} {array.shape} ".encode())
        digest.update(array.data)
        known = self._names.setdefault(digest.hexdigest(), name)
        self._arrays[known] = array
        return known

    def add_matrix(self, name: str, matrix: csr_array) -> str:
        """Add a sparse matrix, and return its name in the file; its shape is not stored."""
        matrix = csr_array(matrix)
        content = hashlib.sha256()
        parts = (
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
        )
        for part in parts:
            content.update(part.data)
        known = self._names.setdefault(f"{matrix.shape} {content.hexdigest()}", name)
        self._arrays |= {f"{known}.{suffix}": part for suffix, part in zip(_CSR, parts, strict=True)}
        return known

    def save(self, path: Path) -> None:
        """Write all arrays into a file.

        Raises:
            OSError: the file cannot be written.
        """
        try:
            save_file(self._arrays, path)
        except SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


class TensorReader:
    """Reads arrays by name and checks them, because compiled loops trust them.

    Args:
        path: a safetensors file.

    Raises:
        ValueError: the file is no safetensors file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._arrays: Mapping[str, NDArray] = load_file(path)
        except (SafetensorError, LookupError, TypeError, OverflowError) as error:  # a type numpy lacks
            raise ValueError(f"{path.name}: {error}") from error

    def get(self, name: str, dimensions: int) -> NDArray[np.float32]:
        """Return a float32 array.

        Raises:
            ValueError: the array is missing, has another number of dimensions, or a value is not finite.
        """
        array = self._get(name, "float32")
        if array.ndim != dimensions or not np.isfinite(array).all():
            found = f"{array.ndim} dimensions" if array.ndim != dimensions else "values that are not finite"
            raise ValueError(f"{name}: expected {dimensions} dimensions of finite values, found {found}")
        return array

    def get_matrix(self, name: str, shape: tuple[int, int]) -> csr_array:
        """Return a sparse matrix.

        Raises:
            ValueError: an array is missing, or they form no matrix of this shape.
        """
        indptr, indices = self._get(f"{name}.indptr", "int64"), self._get(f"{name}.indices", "int32")
        data = self.get(f"{name}.data", 1)
        rows, columns = shape
        is_matrix = (
            indptr.shape == (rows + 1,)
            and indices.shape == data.shape
            and indptr[0] == 0
            and indptr[-1] == len(indices)
            and (indptr[1:] >= indptr[:-1]).all()  # a difference could overflow
            and (indices >= 0).all()
            and (indices < columns).all()
        )
        if not is_matrix:
            raise ValueError(f"{name}: expected a sparse matrix of {rows} × {columns}, found invalid indices")
        return csr_array((data, indices, indptr), shape=shape)

    def _get(self, name: str, dtype: str) -> NDArray:
        array = self._arrays.get(name)
        if array is None or array.dtype != dtype:
            found = "no tensor" if array is None else str(array.dtype)
            raise ValueError(f"{name}: expected a tensor of {dtype}, found {found}")
        return array
