import gzip
import logging
import re

import pytest

from xcgraph.errors import UserError
from xcgraph.formats.text_lines import TextLines, numbered_lines, read_names, write_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"\n", []),
        (b"a\n\n \n\t\r\n", [b"a"]),
        (b"a\n \n\nb\n\n", [b"a", b"", b"", b"b"]),
        (b"a\r\nb \r\n", [b"a", b"b "]),
        (b"\xef\xbb\xbfa\n", [b"a"]),
        ("a\u2028b\x85c\n".encode(), ["a\u2028b\x85c".encode()]),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_end_at_line_feeds_only_and_blank_end_is_dropped(tmp_path, content, lines, pack):
    (tmp_path / "file").write_bytes(pack(content))

    assert list(numbered_lines(tmp_path / "file")) == list(enumerate(lines, start=1))


@pytest.mark.parametrize(
    ("num_rows", "lines"),
    [
        (0, [b"a", b"", b"b"]),
        (3, [b"a", b"", b"b"]),
        (4, [b"a", b"", b"b", b""]),
        (5, [b"a", b"", b"b", b"", b" "]),
        (9, [b"a", b"", b"b", b"", b" "]),
    ],
)
def test_blank_lines_at_the_end_are_rows_if_num_rows_declares_them(tmp_path, num_rows, lines):
    (tmp_path / "file").write_bytes(b"a\n\nb\n\n \n")

    assert list(numbered_lines(tmp_path / "file", num_rows=num_rows)) == list(enumerate(lines, start=1))


def test_inputs_depend_on_num_rows(tmp_path):
    (tmp_path / "file").write_text("a\n\n")

    assert TextLines(tmp_path / "file", 1).inputs() != TextLines(tmp_path / "file", 2).inputs()


def test_empty_file_is_refused_unless_allowed(tmp_path):
    for content in (b"", gzip.compress(b"")):
        (tmp_path / "file").write_bytes(content)
        assert list(numbered_lines(tmp_path / "file", may_be_empty=True)) == []
        with pytest.raises(UserError, match=r"file: .*found an empty file"):
            list(numbered_lines(tmp_path / "file"))


def test_each_iteration_yields_all_texts(tmp_path):
    (tmp_path / "trn_X.txt").write_text("a->b\nç\n", "utf-8")
    lines = TextLines(tmp_path / "trn_X.txt")

    assert list(lines) == list(lines) == ["a->b", "ç"]
    assert lines.note() == ""


def test_line_that_is_not_utf_8_is_read_as_latin_1_and_noted(tmp_path):
    (tmp_path / "file").write_bytes(b"plain\n" + "né\n".encode("latin-1") + "ça\n".encode() + b"\xe9\n")
    lines = TextLines(tmp_path / "file")

    assert list(lines) == list(lines) == ["plain", "né", "ça", "é"]
    assert lines.note() == "2 lines are not UTF-8, the first is line 2: read as Latin-1"


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("train.raw.txt", "17->red wine\n18->a->b\n", ["red wine", "a->b"]),
        ("train.raw.txt", "17->red wine\n18->a->b\n\n \n", ["red wine", "a->b"]),
        ("train.raw.txt", "17->red wine\nwhite wine\n", ["17->red wine", "white wine"]),
        ("trn_X.txt", "17->red wine\n18->a->b\n", ["17->red wine", "18->a->b"]),
    ],
)
def test_ids_are_dropped_if_every_line_of_a_raw_file_has_one(tmp_path, name, content, texts):
    (tmp_path / name).write_text(content)

    assert list(TextLines(tmp_path / name)) == texts


def test_inputs_depend_on_content_and_kind_of_file(tmp_path):
    for name in ("a.txt", "b.txt", "a.raw.txt"):
        (tmp_path / name).write_text("7->x\n")
    (tmp_path / "c.txt").write_text("7->y\n")
    a, b, raw, c = (TextLines(tmp_path / name).inputs() for name in ("a.txt", "b.txt", "a.raw.txt", "c.txt"))

    assert a == b
    assert a != raw
    assert a != c


def test_missing_file_gives_no_names_and_latin_1_is_noted(tmp_path, caplog):
    assert read_names(None, 2) == ()
    (tmp_path / "Y.txt").write_bytes(b"tea\nn\xe9\n")
    with caplog.at_level(logging.WARNING):
        assert read_names(tmp_path / "Y.txt", 2) == ("tea", "né")
    assert len(caplog.records) == 1
    assert "Y.txt: 1 lines are not UTF-8, the first is line 2" in caplog.text


@pytest.mark.parametrize("name", ["Y.txt", "Y.txt.gz"])
def test_written_lines_read_back(tmp_path, name):
    texts = ("tea", "", " ç ", "a\u2028b")
    write_lines(tmp_path / name, iter(texts), "texts")

    assert read_names(tmp_path / name, 4) == texts
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") is name.endswith(".gz")


@pytest.mark.parametrize("text", ["a\nb", "a\r"])
def test_line_break_is_refused_and_leaves_no_file(tmp_path, text):
    with pytest.raises(
        UserError, match=rf"Y\.txt, line 2: .*names without line breaks, found {re.escape(repr(text))}"
    ):
        write_lines(tmp_path / "Y.txt", ["x", text], "names")
    assert list(tmp_path.iterdir()) == []
