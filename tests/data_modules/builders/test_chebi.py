import gzip
import json
import sys
import zipfile

import pyarrow
import pytest

from data_modules.builders.chebi import build
from data_modules.builders.raw_set import is_test_point
from xcgraph.errors import UserError

NAMES = [f"CHEBI:{number}" for number in range(99)]
TRAIN = [name for name in NAMES if not is_test_point(name)]
TEST = [name for name in NAMES if is_test_point(name)]
TERMS = {
    "CHEBI:acid": {"label": "acid", "description": "A <i>proton</i>\n donor.", "ancestors": {}},
    "CHEBI:root": {"label": "chemical  entity", "ancestors": {}},
    "CHEBI:old": {"label": "old class", "deprecated": True, "ancestors": {}},
    TRAIN[0]: {"label": "acetic acid", "ancestors": {"CHEBI:acid": 1, "CHEBI:root": 3, "CHEBI:old": 1}},
    TRAIN[1]: {"label": "salt", "ancestors": {"CHEBI:root": 2}},
    TRAIN[2]: {"label": "far away", "ancestors": {"CHEBI:root": 3}},
    TRAIN[3]: {"label": "withdrawn", "deprecated": True, "ancestors": {"CHEBI:root": 1}},
    TEST[0]: {"label": "water", "ancestors": {"CHEBI:root": 1, "CHEBI:elsewhere": 1}},
}
MEMBER = "cellxgene_ontology_guide/data/ontologies/CHEBI-ontology-2026-05-01.json.zst"


def compress(content):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def write_wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(folder, part):
    lines = gzip.decompress((folder / f"{part}.json.gz").read_bytes()).splitlines()
    return {record.pop("uid"): record for record in map(json.loads, lines)}


@pytest.mark.parametrize("in_wheel", [True, False], ids=["wheel", "file"])
def test_compounds_are_labelled_with_near_classes(in_wheel, tmp_path):
    packed = compress(json.dumps(TERMS).encode())
    if in_wheel:
        older = MEMBER.replace("2026", "2025")
        source = write_wheel(tmp_path / "guide.whl", {MEMBER: packed, older: b"", "other.txt": b""})
    else:
        source = tmp_path / "CHEBI-ontology-2026-05-01.json.zst"
        source.write_bytes(packed)

    assert build(source, tmp_path / "out") == {"train_points": 2, "test_points": 1, "labels": 2}

    assert read(tmp_path / "out", "lbl") == {
        "CHEBI:acid": {"title": "acid", "content": "A proton donor."},
        "CHEBI:root": {"title": "chemical entity", "content": ""},
    }
    train, test = read(tmp_path / "out", "trn"), read(tmp_path / "out", "tst")
    assert {uid: (record["title"], record["content"]) for uid, record in train.items()} == {
        TRAIN[0]: ("acetic acid", ""),
        TRAIN[1]: ("salt", ""),
    }
    assert {uid: record["target_ind"] for uid, record in (train | test).items()} == {
        TRAIN[0]: [0],
        TRAIN[1]: [1],
        TEST[0]: [1],
    }


def test_wheel_without_the_ontology_is_refused(tmp_path):
    source = write_wheel(tmp_path / "guide.whl", {"other.txt": b""})

    with pytest.raises(UserError, match=r"guide\.whl: expected CHEBI-ontology-DATE\.json\.zst"):
        build(source, tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [b"no zstd", compress(b"x" * 10_000)[:-5], compress(b"{")],
    ids=["other_format", "truncated", "no_json"],
)
def test_damaged_ontology_is_refused(content, tmp_path):
    (tmp_path / "chebi.zst").write_bytes(content)

    with pytest.raises(UserError, match=r"chebi\.zst: expected a complete ontology, found: "):
        build(tmp_path / "chebi.zst", tmp_path / "out")


def test_damaged_wheel_is_refused(tmp_path):
    source = write_wheel(tmp_path / "guide.whl", {MEMBER: b"content" * 100})
    source.write_bytes(source.read_bytes().replace(b"content", b"CONTENT", 3))

    with pytest.raises(UserError, match=r"guide\.whl: expected a complete ontology, found: Bad CRC"):
        build(source, tmp_path / "out")


@pytest.mark.parametrize("terms", [{"a": {"ancestors": {}}}, {"a": {"label": "a"}}, {"a": 1}, [1]], ids=str)
def test_other_ontology_is_refused(terms, tmp_path):
    (tmp_path / "chebi.zst").write_bytes(compress(json.dumps(terms).encode()))

    with pytest.raises(UserError, match=r"chebi\.zst: expected terms with label and ancestors"):
        build(tmp_path / "chebi.zst", tmp_path / "out")


def test_missing_pyarrow_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(UserError, match=r"pyarrow.*pip install 'xcgraph\[parquet\]'"):
        build(tmp_path / "chebi.zst", tmp_path / "out")
