"""Text is read from plain and gzip streams; UTF-16 and damaged gzip data are refused."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcgraph.errors import UserError
from xcgraph.predict.text_source import TextSource


def read_all(content, size=1 << 16, piece=None):
    """Read a stream to its end; each read of the source returns at most ``piece`` bytes."""
    stream = io.BytesIO(content)
    source = TextSource(lambda size: stream.read(min(size, piece or size)), "lines.txt")
    return b"".join(iter(lambda: source(size), b""))


@given(st.binary(max_size=300).map(lambda text: text.replace(b"\0", b"")), st.integers(1, 40))
def test_plain_and_gzip_give_the_same_text(text, piece):
    text = b"a " + text
    members = gzip.compress(text[:7]) + gzip.compress(text[7:])

    assert read_all(text, piece=piece) == text
    assert read_all(gzip.compress(text), piece=piece) == text
    assert read_all(members, piece=piece) == text


@pytest.mark.parametrize("content", [b"", b"a", b"\n", b"\na", "я".encode()])
def test_short_streams_are_complete(content):
    assert read_all(content) == read_all(content, piece=1) == content
    assert read_all(gzip.compress(content), piece=1) == content


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("piece", [None, 1])
def test_utf16_is_refused_with_the_remedy(encoding, pack, piece):
    with pytest.raises(UserError, match=r"^lines\.txt: .*UTF-8, found UTF-16.* iconv -f UTF-16"):
        read_all(pack("pear\nred\n".encode(encoding)), piece=piece)


def test_utf8_byte_order_mark_is_kept():
    assert read_all("pear\n".encode("utf-8-sig")) == b"\xef\xbb\xbfpear\n"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda packed: packed[:-9], "found a truncated one"),
        (lambda packed: packed[:-8] + b"\xff" * 8, "gzip data, found: "),
        (lambda packed: packed + b"more", "gzip data, found: "),
    ],
    ids=["truncated", "wrong checksum", "other data after the end"],
)
def test_damaged_gzip_is_refused(damage, found):
    with pytest.raises(UserError, match=rf"^lines\.txt: .*{found}"):
        read_all(damage(gzip.compress(b"pear\n" * 1000)))


def test_reads_are_bounded_although_data_unpack_to_much_more():
    packed = io.BytesIO(gzip.compress(b"a" * (1 << 22)))
    source = TextSource(packed.read, "lines.txt")

    assert max(len(text) for text in iter(lambda: source(1 << 10), b"")) == 1 << 10


def test_nothing_is_read_before_the_first_call_nor_after_a_line():
    """A person at a terminal gets an answer to the first line before typing the second."""
    lines = iter([b"p", b"ear\n"])
    source = TextSource(lambda _: next(lines), "lines.txt")

    assert source(1 << 16) == b"pear\n"
    assert TextSource(lambda _: b"\n", "lines.txt")(1 << 16) == b"\n"
