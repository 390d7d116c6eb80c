"""Reads a stream of text that may be gzip-compressed, and refuses UTF-16."""

import zlib
from collections.abc import Callable

from xcgraph.errors import UserError

Read = Callable[[int], bytes]

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class TextSource:
    """Gives the bytes of a stream as plain text, whether the stream is gzip-compressed or not.

    Nothing is read before the first call, and no call waits for more bytes than one line needs.

    Args:
        read: reads up to the requested number of bytes, as many as are available, and none at the end.
        name: name of the stream in error messages.

    Raises:
        UserError: when called, if the stream is UTF-16 or the gzip data are damaged.
    """

    def __init__(self, read: Read, name: str) -> None:
        self._source, self._name = read, name
        self._read: Read | None = None
        self._head = b""

    def __call__(self, size: int) -> bytes:
        """Return up to ``size`` bytes of text, and none at the end."""
        if self._read is None:
            self._head = _read_start(self._source, size)
            is_gzip = self._head.startswith(_GZIP_MAGIC)
            self._read = _Unpacker(self._read_all, self._name) if is_gzip else self._read_all
            start = _read_start(self._read, size)
            # A line of ASCII in UTF-16 has a NUL among its first two bytes.
            if start.startswith(_UTF16_MARKS) or b"\0" in start[:2]:
                raise UserError(
                    f"{self._name}: expected text in UTF-8, found UTF-16 or a binary file. "
                    "Convert UTF-16 with: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"
                )
            return start
        return self._read(size)

    def _read_all(self, size: int) -> bytes:
        """Return the bytes that were read to detect the format, then the rest of the source."""
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._source(size)


class _Unpacker:
    """Reads gzip data, of one or more members, with bounded memory."""

    def __init__(self, read: Read, name: str) -> None:
        self._source, self._name = read, name
        self._unpacker = zlib.decompressobj(_GZIP_FORMAT)
        self._packed = b""

    def __call__(self, size: int) -> bytes:
        while True:
            packed = self._packed or self._source(size)
            if not packed:
                if self._unpacker.eof:
                    return b""
                raise UserError(f"{self._name}: expected a complete gzip file, found a truncated one.")
            if self._unpacker.eof:  # another member follows
                self._unpacker = zlib.decompressobj(_GZIP_FORMAT)
            try:
                text = self._unpacker.decompress(packed, size)
            except zlib.error as error:
                raise UserError(f"{self._name}: expected intact gzip data, found: {error}.") from error
            self._packed = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if text:
                return text


def _read_start(read: Read, size: int) -> bytes:
    """Read two bytes or more, or one empty line: a person may type a line and wait for its answer."""
    start = read(size)
    while len(start) == 1 and start != b"\n" and (more := read(size)):
        start += more
    return start
