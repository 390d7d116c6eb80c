"""Read a text file, plain or gzip, in chunks of whole lines. Memory does not grow with the file."""

import gzip
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from xcgraph.errors import UserError

__all__ = ["CHUNK_SIZE", "Chunk", "count_lines", "open_file", "read_chunks"]

CHUNK_SIZE = 16 << 20
# Room for 25 million entries. A longer line is probably not text, and would fill the memory.
MAX_LINE_SIZE = 256 << 20
# A large file with a higher compression ratio is refused as a gzip bomb; real texts shrink to about a third.
_MAX_COMPRESSION_RATIO = 100
_SIZE_ALWAYS_ACCEPTED = 64 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"


class Chunk(NamedTuple):
    """Whole lines of a file.

    Attributes:
        text: the lines, each with its line feed; a missing line feed at the end of a file is added.
        first_line: line number of the first line in the file, counted from 1.
    """

    text: bytes
    first_line: int


def read_chunks(source: Path, chunk_size: int = CHUNK_SIZE, *, may_be_empty: bool = False) -> Iterator[Chunk]:
    """Yield a text file's lines in chunks. A gzip file is recognized by its content, not by its name.

    A byte order mark is dropped. A missing line feed at the end is added. Carriage returns are kept.

    Args:
        source: the file.
        chunk_size: number of bytes to read at a time; only a longer line makes a chunk longer.
        may_be_empty: whether to accept a file without any byte.

    Raises:
        UserError: the file is missing, is a folder, is empty, is truncated, or is not text.
    """
    first_line, size = 1, 0
    with open_file(source) as file:
        max_size = max(_SIZE_ALWAYS_ACCEPTED, _MAX_COMPRESSION_RATIO * os.fstat(file.fileno()).st_size)
        for text in _split_at_line_ends(_unpacked(file), source, chunk_size):
            size += len(text)
            if size > max_size:
                raise UserError(
                    f"{source}: expected a gzip file that unpacks to at most "
                    f"{_MAX_COMPRESSION_RATIO} times its size, found more; unpack it yourself if you "
                    "trust it."
                )
            yield Chunk(text, first_line)
            first_line += count_lines(text)
    if first_line == 1 and not may_be_empty:
        raise UserError(f"{source}: expected text, found an empty file; fetch or write it again.")


def count_lines(text: bytes) -> int:
    """Count line feeds, many times faster than ``bytes.count``."""
    return int(_count(np.frombuffer(text, np.uint8), np.uint8(ord("\n"))))


@numba.njit(cache=True)
@no_type_check
def _count(text: NDArray[np.uint8], byte: np.uint8) -> int:
    count = 0
    for each in text:
        count += each == byte
    return count


def open_file(source: Path) -> BufferedReader:
    """Open a file for reading its bytes as they are.

    Raises:
        UserError: the file is missing, is a folder, or cannot be read.
    """
    try:
        if source.is_file():
            return source.open("rb")
        found = "a folder" if source.is_dir() else "a special file" if source.exists() else "nothing"
    except OSError as error:
        raise UserError(
            f"{source}: expected a readable file, found an error ({error.strerror}); check the path "
            "and the permissions."
        ) from error
    raise UserError(f"{source}: expected a regular file, found {found}; correct the path.")


def _unpacked(file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP_MAGIC) else file


def _split_at_line_ends(
    stream: BufferedReader | gzip.GzipFile, source: Path, chunk_size: int
) -> Iterator[bytes]:
    head = _read(stream, source, len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
    held, held_size = [head], len(head)  # bytes after the last line end so far
    while block := _read(stream, source, chunk_size):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*held, memoryview(block)[:end]))
            held, held_size = [], 0
        held.append(block[end:])
        held_size += len(block) - end
        if held_size > MAX_LINE_SIZE:
            raise UserError(
                f"{source}: expected lines of at most {MAX_LINE_SIZE >> 20} MiB, found a longer one; "
                "check that it is a text file."
            )
    if rest := b"".join(held):
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _read(stream: BufferedReader | gzip.GzipFile, source: Path, size: int) -> bytes:
    try:
        block = stream.read(size)
    except EOFError as error:
        raise UserError(
            f"{source}: expected a whole gzip file, found a truncated one; fetch it again."
        ) from error
    except (OSError, zlib.error) as error:
        raise UserError(
            f"{source}: expected a readable file, found damage ({error}); fetch it again."
        ) from error
    if b"\0" in block:
        raise UserError(
            f"{source}: expected text, plain or gzip, found a NUL byte; save the file as UTF-8 text."
        )
    return block
