"""Bytes of a text file, plain or gzip, in chunks of whole lines: memory does not grow with the file."""

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
# 25 million entries: what is longer is no text, and would fill the memory.
MAX_LINE_SIZE = 256 << 20
# What is packed tighter, and is large, was made to fill memory or disk: texts pack to a third or so.
_MOST_UNPACKED = 100
_SURELY_FITS = 64 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"


class Chunk(NamedTuple):
    """Whole lines of a file.

    Attributes:
        text: the lines, each with its line feed, also the last of the file.
        first_line: the number that the first of them has in the file, counted from 1.
    """

    text: bytes
    first_line: int


def read_chunks(source: Path, chunk_size: int = CHUNK_SIZE, *, may_be_empty: bool = False) -> Iterator[Chunk]:
    """Give a text file's lines in chunks; whether it is gzip is seen from its content, not from its name.

    A byte order mark is dropped, a line feed that is missing at the end is added, carriage returns stay.

    Args:
        source: the file.
        chunk_size: bytes to read at a time; a chunk is longer only where a line is.
        may_be_empty: whether a file without lines is one, rather than a mistake.

    Raises:
        UserError: there is no such file, it is a folder, empty, cut short or no text.
    """
    first_line, size = 1, 0
    with open_file(source) as file:
        most = max(_SURELY_FITS, _MOST_UNPACKED * os.fstat(file.fileno()).st_size)
        for text in _cut_at_line_ends(_unpacked(file), source, chunk_size):
            size += len(text)
            if size > most:
                raise UserError(
                    f"{source}: expected a gzip file that unpacks to at most {_MOST_UNPACKED} times its "
                    "size, found more; unpack it yourself if it is meant to."
                )
            yield Chunk(text, first_line)
            first_line += count_lines(text)
    if first_line == 1 and not may_be_empty:
        raise UserError(f"{source}: expected text, found an empty file; fetch or write it anew.")


def count_lines(text: bytes) -> int:
    """Count line feeds, many times as fast as ``bytes.count``."""
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
        UserError: there is no such file, it is a folder, or it cannot be read.
    """
    try:
        if source.is_file():
            return source.open("rb")
        kind = "a folder" if source.is_dir() else "something else" if source.exists() else "none"
    except OSError as error:
        raise UserError(
            f"{source}: cannot be read ({error.strerror}); check path and permissions."
        ) from error
    raise UserError(f"{source}: expected a regular file, found {kind}; correct the path.")


def _unpacked(file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP_MAGIC) else file


def _cut_at_line_ends(
    stream: BufferedReader | gzip.GzipFile, source: Path, chunk_size: int
) -> Iterator[bytes]:
    head = _read(stream, source, len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
    held, held_size = [head], len(head)  # what was read after the last line end
    while block := _read(stream, source, chunk_size):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join((*held, memoryview(block)[:cut]))
            held, held_size = [], 0
        held.append(block[cut:])
        held_size += len(block) - cut
        if held_size > MAX_LINE_SIZE:
            raise UserError(
                f"{source}: expected lines of at most {MAX_LINE_SIZE >> 20} MiB, found a longer one; "
                "is it a text file?"
            )
    if rest := b"".join(held):
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _read(stream: BufferedReader | gzip.GzipFile, source: Path, size: int) -> bytes:
    try:
        block = stream.read(size)
    except EOFError as error:
        raise UserError(
            f"{source}: expected a whole gzip file, found one that breaks off; fetch it anew."
        ) from error
    except (OSError, zlib.error) as error:
        raise UserError(f"{source}: expected a readable file, found: {error}; fetch it anew.") from error
    if b"\0" in block:
        raise UserError(
            f"{source}: expected text, plain or gzip, found a NUL byte; is it another kind of file?"
        )
    return block
