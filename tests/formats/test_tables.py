import gzip
import json

import pandas as pd
import pytest

from xcgraph.errors import UserError
from xcgraph.formats.tables import LabelCells, join_texts, label_table, read_table, split_rows

ROWS = [("a red apple", "007;L2"), ("a bamboo board", ""), ("NA", "L2")]


def write(path, kind, rows=ROWS):
    frame = pd.DataFrame(rows, columns=["text", "labels"])
    if kind == "parquet":
        frame.assign(labels=[cell.split(";") if cell else [] for _, cell in rows]).to_parquet(path)
    elif kind == "jsonl":
        lists = [{"text": text, "labels": cell.split(";") if cell else []} for text, cell in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in lists))
    else:
        frame.to_csv(path, sep="," if kind == "csv" else "\t", index=False)


def read(path):
    table = read_table(path)
    rows, found = LabelCells().split(table, "labels", "data.labels", "data.separator")
    return join_texts(table, ["text"], "data.text"), rows, found


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_reads_the_same(tmp_path, kind, packed):
    if packed and kind == "parquet":
        pytest.skip("Parquet is packed already")
    path = tmp_path / f"table.{kind}"
    write(path, kind)
    if packed:
        path = tmp_path / f"table.{kind}.gz"
        path.write_bytes(gzip.compress((tmp_path / f"table.{kind}").read_bytes()))

    texts, rows, _ = read(path)

    assert texts == ["a red apple", "a bamboo board", "NA"]
    assert rows == [["007", "L2"], [], ["L2"]]


def test_excel_byte_order_mark_and_emoji(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,labels\n🍎 apple,x\n", encoding="utf-8-sig")
    assert read(path)[:2] == (["🍎 apple"], [["x"]])


def test_integer_ids_beside_missing_cells(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"text": ["a", "b"], "labels": [3.0, None]}).to_parquet(path)
    assert read(path)[1] == [["3"], []]


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["a;b", "c"], None, [["a", "b"], ["c"]]),
        (["a|b", "c"], None, [["a", "b"], ["c"]]),
        (["a, b", "c"], "comma", [["a", "b"], ["c"]]),
        (["board, bamboo", "c"], "none", [["board, bamboo"], ["c"]]),
        (['["a", 1]', "[]"], None, [["a", "1"], []]),
        (["a//b", "c"], "//", [["a", "b"], ["c"]]),
        (["a", "b"], None, [["a"], ["b"]]),
    ],
)
def test_separators(tmp_path, cells, separator, expected):
    path = tmp_path / "t.csv"
    pd.DataFrame({"text": "x", "labels": cells}).to_csv(path, index=False)
    rows, _ = LabelCells(separator).split(read_table(path), "labels", "data.labels", "data.separator")
    assert rows == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", b"", r"t\.csv: the file is empty"),
        ("t.csv", b"text,labels\n", r"t\.csv: the table has no rows"),
        ("t.csv", b"text,labels\na,b,c\n", r"t\.csv.*line 2"),
        ("t.csv", b'text,labels\n"a,b\n', r"t\.csv.*line 1|t\.csv.*EOF"),
        ("t.csv", b"text,labels\n\xe9,b\n", r"t\.csv: expected UTF-8.*0xe9"),
        ("t.csv", "text,labels\na,b\n".encode("utf-16"), r"t\.csv: expected UTF-8, found UTF-16"),
        ("t.csv", b"text,text\na,b\n", r"t\.csv: no column 'labels'|occurs twice"),
        ("t.csv", b"title,labels\na,b\n", r"t\.csv: no column 'text'.*title, labels.*data\.text"),
        ("t.csv", b"text,tags\na,b\n", r"t\.csv: no column 'labels'.*data\.labels"),
        ("t.csv", b"text,labels\na,b\n,c\n", r"t\.csv, line 3: no text in text"),
        ("t.csv", b"text,labels\na,b;;c\n", r"t\.csv, line 2: an empty label id"),
        ("t.csv", b"text,labels\na,b;b\n", r"t\.csv, line 2: label 'b' occurs twice"),
        ("t.csv", b"text,labels\na,1;0;1\n", r"t\.csv, line 2.*indicators of 0 and 1"),
        ("t.csv", b'text,labels\na,"b, c"\n', r"t\.csv.*','.*data\.separator"),
        ("t.csv", b"text,labels\na,b;c|d\n", r"t\.csv.*';' and '\|'.*data\.separator"),
        (
            "t.csv.gz",
            gzip.compress(b"text,labels\na,b\n" * 99, mtime=0)[:-12],
            r"t\.csv\.gz: the gzip file is cut short",
        ),
        ("t.csv.gz", b"text,labels\na,b\n", r"t\.csv\.gz"),
        ("t.jsonl", b'{"text": "a", "labels": ["b"]}\nnonsense\n', r"t\.jsonl, line 2"),
        ("t.jsonl", b'{"text": 7, "labels": ["b"]}\n', r"t\.jsonl, line 1: expected a text.*7"),
        ("t.jsonl", b'{"text": "a", "labels": [{"b": 1}]}\n', r"t\.jsonl, line 1: expected label ids"),
        ("t.jsonl", b'{"text": "a", "labels": [1, 0, 0, 1]}\n', r"t\.jsonl, line 1.*indicators"),
        ("t.parquet", b"PAR1 nonsense", r"t\.parquet: not a whole Parquet file"),
        ("t.xlsx", b"", r"t\.xlsx: unknown kind of table.*\.csv"),
    ],
)
def test_damaged_table_is_refused(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=expected):
        read(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"no\.csv: no such file"):
        read_table(tmp_path / "no.csv")


def test_label_table(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text("id,text,more\nL1,board,of bamboo\nL2,apple,\n")
    table = read_table(path)
    assert label_table(table, "id", ["text", "more"], ("a", "b")) == {"L1": "board of bamboo", "L2": "apple"}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("L1,a\nL1,b\n", "line 3: label 'L1' occurs twice"), (",a\n", "line 2: no label id")],
)
def test_bad_label_table_is_refused(tmp_path, rows, expected):
    path = tmp_path / "l.csv"
    path.write_text(f"id,text\n{rows}")
    with pytest.raises(UserError, match=expected):
        label_table(read_table(path), "id", ["text"], ("data.label_id", "data.label_text"))


def test_split_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,labels,part\na,x,train\nb,x,test\nc,x,Train\n")
    assert dict(split_rows(read_table(path), "part", "data.test")) == {"train": [0, 2], "test": [1]}
    path.write_text("text,labels,part\na,x,dev\n")
    with pytest.raises(UserError, match=r"line 2: expected train or test.*'dev'"):
        split_rows(read_table(path), "part", "data.test")
