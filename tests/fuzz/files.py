"""Fuzz targets: the readers of datasets."""

import gzip
from pathlib import Path

import numpy as np

from xcgraph.formats.content import SourcedCount
from xcgraph.formats.filter_pairs import read_filter_pairs
from xcgraph.formats.folder import read_folder
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.json_records import JsonTexts, read_targets
from xcgraph.formats.matrix_files import binary_labels, read_matrix
from xcgraph.formats.metadata_files import read_metadata
from xcgraph.formats.sparse_text import read_points, read_rows
from xcgraph.formats.text_lines import TextLines, read_names
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import WordVectorizer

from .arrays import mutate_npz, npz_bytes
from .mutate import bomb, deep, mutate_bytes, mutate_json, pack
from .target import Target

ROWS = b"3 4\n0:0.5 2:0.25\n1:1\n\n"
POINTS = b"3 4 3\n0,2 0:0.5 2:0.25\n1 1:1\n 2:1e-3 3:1234567.875\n"
NAMES = "apple\npear\nça va\nred\n".encode()
PAIRS = b"0 1\n1 0\n2 2\n"
POINTS_JSON = (
    b'{"uid": "a", "title": "red apple", "content": "sweet", "target_ind": [0, 2], "target_rel": [1.0, 0]}\n'
    b'{"uid": "b", "title": "green pear", "content": "", "target_ind": [1]}\n'
)
LABELS_JSON = b'{"title": "red"}\n{"title": "pear", "content": "x"}\n{"title": "apple"}\n'
CSR = {
    "indices": np.array([1, 3, 0, 3], np.int32),
    "indptr": np.array([0, 2, 2, 4], np.int32),
    "format": np.array(b"csr"),
    "shape": np.array([3, 4]),
    "data": np.array([2, 0.25, 1, 3], np.float32),
}
COO = {
    "row": np.array([0, 0, 2, 2], np.int32),
    "col": np.array([1, 3, 0, 3], np.int32),
    "format": np.array(b"coo"),
    "shape": np.array([3, 4]),
    "data": np.array([2, 0.25, 1, 3], np.float32),
}
DIA = {
    "offsets": np.array([1], np.int32),
    "format": np.array(b"dia"),
    "shape": np.array([3, 4]),
    "data": np.ones((1, 4), np.float32),
}
BSR = {
    "indices": np.array([0, 1], np.int32),
    "indptr": np.array([0, 1, 2], np.int32),
    "format": np.array(b"bsr"),
    "shape": np.array([2, 4]),
    "data": np.ones((2, 1, 2), np.float32),
}
SPLIT = {
    "trn_X_Xf.txt": b"3 2\n0:1 1:0.5\n1:2\n0:1\n",
    "trn_X_Y.txt": b"3 4\n0:1\n1:1 3:1\n2:1\n",
    "tst_X_Xf.txt": b"2 2\n0:1\n1:1\n",
    "tst_X_Y.txt": b"2 4\n0:1\n3:1\n",
    "Yf.txt": b"4 2\n0:1\n1:1\n0:1\n1:1\n",
    "Y.txt": NAMES,
    "filter_labels_train.txt": b"0 1\n",
    "category_trn_X_Y.txt": b"3 2\n0:1\n0:1 1:1\n1:1\n",
}
SINGLE_FILE = {"train.txt": POINTS, "test.txt": b"1 4 3\n0 1:1\n"}
JSON = {"trn.json": POINTS_JSON, "tst.json": POINTS_JSON, "lbl.json": LABELS_JSON}
TEXTS = {
    "trn_X.txt": b"red apple\ngreen pear\nsweet\n",
    "tst_X.txt": b"red pear\nred\napple\n",
    "Y.txt": NAMES,
    "Y.trn.npz": npz_bytes({f"{name}.npy": array for name, array in CSR.items()}),
    "Y.tst.npz": npz_bytes({f"{name}.npy": array for name, array in COO.items()}),
}
_UNITS = (b"0:1 ", b"\n", b"a\n", b"0", b"[],", b"1e-300\n")
_BOMB_SIZE = 96 << 20  # unpacked, in bytes


def text_maker(name, seeds):
    """Return a generator of changed text files; some are compressed, a few are bombs or deeply nested."""

    def make(rng):
        content = rng.choice(seeds)
        lines = content.split(b"\n")
        if content.startswith(b"{") and rng.random() < 0.5:
            lines[rng.randrange(len(lines))] = mutate_json(rng.choice(lines), rng)
            content = b"\n".join(lines)
        if rng.random() < 0.8:
            content = mutate_bytes(content, rng, rng.choice(seeds))
        chance = rng.random()
        if chance < 0.001:
            content = content + deep(rng)
        elif chance < 0.00102:
            return {name: gzip.compress(content) + bomb(rng.choice(_UNITS), _BOMB_SIZE)}
        elif chance < 0.1:
            content = pack(content, rng)
        return {name: content}

    return make


def make_npz(rng):
    return {"m.npz": mutate_npz(rng.choice((CSR, CSR, COO, DIA, BSR)), rng)}


def make_folder(rng):
    """Generate a dataset of a random layout with one or two changed files."""
    files = dict(rng.choice((SPLIT, SPLIT, SINGLE_FILE, JSON, TEXTS)))
    for name in rng.sample(list(files), rng.choice((1, 1, 2))):
        if name.endswith(".npz"):
            files[name] = mutate_npz(rng.choice((CSR, COO)), rng)
        elif rng.random() < 0.05:
            del files[name]
            files["x"] = b""
        else:
            files |= text_maker(name, [files[name], rng.choice(list(files.values()))])(rng)
    return files


def _store(work: Path):
    return ArtifactStore(work / "cache")


def read_dataset(folder, work):
    data = read_folder(
        folder,
        name="x",
        cache=_store(work),
        layout=None,
        text=WordVectorizer(min_df=1),
        propensity_a=0.55,
        propensity_b=1.5,
    )
    data.fingerprint  # noqa: B018 - reads all matrices


def _read_metadata(folder, work):
    source = folder / "points"
    rows = {
        "train": SourcedCount(3, source),
        "test": SourcedCount(2, source),
        "labels": SourcedCount(3, source),
    }
    read_metadata(FolderFiles(folder), _store(work), rows)


TARGETS = (
    Target(
        "rows",
        12,
        text_maker("m.txt", [ROWS]),
        lambda folder, work: read_rows(folder / "m.txt", _store(work)),
    ),
    Target(
        "points",
        12,
        text_maker("m.txt", [POINTS]),
        lambda folder, work: read_points(folder / "m.txt", _store(work)),
    ),
    Target(
        "npz", 12, make_npz, lambda folder, work: binary_labels(read_matrix(folder / "m.npz", _store(work)))
    ),
    Target(
        "filter pairs",
        10,
        text_maker("p.txt", [PAIRS]),
        lambda folder, _: read_filter_pairs(folder / "p.txt", (3, 3)),
    ),
    Target("names", 8, text_maker("n.txt", [NAMES]), lambda folder, _: read_names(folder / "n.txt", 4)),
    Target(
        "texts with ids",
        6,
        text_maker("t.raw.txt", [b"1->red apple\n2->pear\n"]),
        lambda folder, _: list(TextLines(folder / "t.raw.txt", 2)),
    ),
    Target(
        "JSON texts",
        10,
        text_maker("t.json", [POINTS_JSON, LABELS_JSON]),
        lambda folder, _: list(JsonTexts(folder / "t.json", ("title", "content"))),
    ),
    Target(
        "JSON labels",
        10,
        text_maker("t.json", [POINTS_JSON]),
        lambda folder, work: read_targets(folder / "t.json", 3, _store(work)),
    ),
    Target(
        "graph metadata",
        5,
        lambda rng: {
            "a_trn_X_Y.txt": text_maker("x", [b"3 2\n0:1\n\n1:1\n"])(rng)["x"],
            "a_lbl_X_Y.npz": mutate_npz(CSR, rng),
        },
        _read_metadata,
    ),
    Target("data set", 10, make_folder, read_dataset),
)
