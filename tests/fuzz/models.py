"""Fuzz targets: the readers of models, runs, caches and lines from untrusted sources."""

import hashlib
import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.sparse import csr_array

from xcgraph.data.xc_data import Split
from xcgraph.formats.folder import read_folder
from xcgraph.formats.sparse_text import read_rows
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.predict.folder import save_model
from xcgraph.predict.model import PointEncoder, PortableMember, PortableModel, Scoring
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.stream import answers, batches_of_lines, parse_line
from xcgraph.runs.folder import LeftOut, read_run
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.storage.npz import load_arrays, load_csr
from xcgraph.text.fitted_vectorizer import FittedVectorizer
from xcgraph.text.tokenizers import NgramTokenizer
from xcgraph.text.vectorizer import WordVectorizer
from xcgraph.text.wordpiece import WordPieceVectorizer

from .arrays import (
    Planted,
    change_array,
    lying_npy,
    mutate_npz,
    mutate_safetensors,
    npy_bytes,
    pickled_npy,
    planted_pickle,
    set_tensor,
)
from .files import CSR, JSON, ROWS, text_maker
from .mutate import deep, mutate_bytes, mutate_json
from .target import Target

LABELS, TOKENS, DIM, METAS = 9, 5, 4, 3
VOCABULARY = ("apple", "green", "pear", "red", "tea")
CONFIG = b"""name: eclare
seed: 0
data: {_target_: toy.Toy, name: toy, propensity_a: 0.5, propensity_b: 1.5}
validation: {fraction: 0.1, seed: 1}
run:
  recipe: {_target_: xcgraph.recipes.eclare.Eclare, num_trees: 1}
"""
METRICS = b'{"data": "toy", "validation": {"P@1": 0.5}, "test": {"P@1": 0.25, "PSP@5": 0.125}}'
FACTS = b'{"data": {"fingerprint": "abc", "labels": 3}, "seconds": 1.5, "versions": {"torch": "2.6"}}'
LINES = (
    b'{"id": 7, "text": "red pear"}\n{"tokens": {"red": 0.6, "apple": 1}}\n{"features": {"0": 1.0, "3": 2}}\n'
    b'"green apple"\n'
)


def make_model(seed, *, pieces=False):
    """Build an untrained model with two trees; the second one has no ranker."""
    rng = np.random.default_rng(seed)

    def floats(*shape):
        return rng.normal(size=shape).astype(np.float32)

    def scoring(count, top_k, link="logistic"):
        graph = rng.random((count, count)) * (rng.random((count, count)) < 0.5)
        form = (
            {"keep": floats(DIM), "weight": floats(DIM, DIM), "bias": floats(DIM), "activation": "relu"}
            if link == "logistic"
            else {"activation": "unit_norm"}
        )
        return Scoring(
            encoder=PointEncoder(embedding=floats(TOKENS, DIM), **form),
            vectors=floats(count, DIM),
            bias=-0.5,
            link=link,
            graph=csr_array(graph.astype(np.float32)),
            game_mix=0.5,
            top_k=top_k,
        )

    members = csr_array((np.ones(LABELS, np.float32), (np.arange(LABELS) % METAS, np.arange(LABELS))))
    ranked = PortableMember(
        shortlister=scoring(METAS, 2),
        members=members,
        ranker=scoring(LABELS, 6),
        views=("text", "graph"),
        shares=floats(LABELS, 2),
    )
    nearest = PortableMember(
        shortlister=scoring(LABELS, 5, "cosine"),
        members=csr_array(np.eye(LABELS, dtype=np.float32)),
        ranker=None,
        views=(),
        shares=np.empty((LABELS, 0), np.float32),
    )
    tokenizer = _pieces() if pieces else NgramTokenizer(3, 5)
    return PortableModel(
        data="toy",
        trees=(ranked,) if pieces else (ranked, nearest),
        label_names=tuple(f"label {number} ☃" for number in range(LABELS)),
        vocabulary=VOCABULARY,
        vectorizer=FittedVectorizer(VOCABULARY, np.ones(TOKENS, np.float32), tokenizer),
    )


def _pieces():
    texts = ["red apple", "green pear", "tea"]
    return (
        WordPieceVectorizer(min_df=1, vocabulary_size=40)
        .fit_transform(texts, [], label_texts=texts)
        .vectorizer.tokenizer
    )


def files_of(folder: Path):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@cache
def model_files(*, pieces):
    with TemporaryDirectory() as folder:
        save_model(make_model(0, pieces=pieces), Path(folder) / "model")
        return files_of(Path(folder) / "model")


def mutate_file(name, content, rng):
    """Change a file in a way that suits its format."""
    if name.endswith(".safetensors"):
        return set_tensor(content, rng) if rng.random() < 0.6 else mutate_safetensors(content, rng)
    if name.endswith(".npz"):
        return mutate_npz(dict(np.load(io.BytesIO(content))), rng)
    if name.endswith(".npy"):
        how = rng.random()
        if how < 0.7:
            return npy_bytes(change_array(np.load(io.BytesIO(content)), rng))
        return (
            lying_npy(rng)
            if how < 0.8
            else pickled_npy()
            if how < 0.85
            else mutate_bytes(content, rng, content)
        )
    if name.endswith(".json") and rng.random() < 0.8:
        return mutate_json(content, rng)
    return deep(rng) if rng.random() < 0.01 else mutate_bytes(content, rng, content)


def forge(files, manifest, rng):
    """Change files of a folder and correct its checksums, as an attacker could."""
    files = dict(files)
    for name in rng.sample(list(files), rng.choice((1, 1, 2))):
        files[name] = planted_pickle() if rng.random() < 0.01 else mutate_file(name, files[name], rng)
    return forge_sums(files, manifest) if rng.random() < 0.95 else files


def forge_sums(files, manifest):
    """Correct the checksums in a manifest, if it is still readable."""
    try:
        described = json.loads(files[manifest])
        described["files"] = {
            name: hashlib.sha256(files[name]).hexdigest() for name in described["files"] if name in files
        }
        return {**files, manifest: json.dumps(described).encode()}
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return files


def _make_model(rng):
    return forge(model_files(pieces=rng.random() < 0.3), "model.json", rng)


def ask_model(folder, _work):
    predictor = Predictor.load(folder)
    top_k = min(3, predictor.model.top_k)
    bags = [{0: 1.0}, {}, *([{"red": 1.0}] if predictor.model.vocabulary else [])]
    texts = ["red apple", ""] if predictor.model.vectorizer is not None else []
    predictor.predict([*bags, *texts] * 2, top_k)
    lines = [parse_line(b'{"features": {"0": 1}}', 1, predictor, is_json=True)]
    for answer in answers(lines, predictor, top_k, explain=True):
        json.dumps(answer, ensure_ascii=False).encode()


@cache
def _predictor():
    return Predictor(make_model(0))


def _answer_lines(folder, _work):
    chunks = iter([(folder / "lines").read_bytes()])
    for batch in batches_of_lines(lambda _: next(chunks, b""), 8):
        for is_json in (True, False):
            lines = [parse_line(line, 1, _predictor(), is_json=is_json) for line in batch]
            for answer in answers(lines, _predictor(), 2, explain=False):
                json.dumps(answer, ensure_ascii=False).encode()


@cache
def cache_files(layout):
    """Return the cache that reading a dataset leaves, under the keys of its files."""
    with TemporaryDirectory() as folder:
        _read_cached(Path(folder), layout)
        return files_of(Path(folder) / "cache")


def _read_cached(folder, layout):
    """Read unchanged files with the cache in the folder."""
    (folder / "source").mkdir()
    files = {"m.txt": ROWS} if layout == "rows" else JSON
    for name, content in files.items():
        (folder / "source" / name).write_bytes(content)
    store = ArtifactStore(folder / "cache")
    if layout == "rows":
        matrix = read_rows(folder / "source" / "m.txt", store)
        if matrix.shape[1] <= 10_000_000:  # a dataset refuses more columns
            matrix @ np.ones(matrix.shape[1], np.float32)
        return
    text = {"layout": None, "text": WordVectorizer(min_df=1), "propensity_a": 0.5, "propensity_b": 1.5}
    data = read_folder(folder / "source", name="x", cache=store, **text)
    data.fingerprint  # noqa: B018 - reads all matrices
    data.vectorizer.transform(["red apple"])


def _make_cache(rng):
    files = cache_files(rng.choice(("rows", "json")))
    folder = rng.choice(sorted({name.partition("/")[0] for name in files}))
    chosen = {
        name.partition("/")[2]: content for name, content in files.items() if name.startswith(f"{folder}/")
    }
    forged = forge(chosen, "manifest.json", rng)
    return files | {f"{folder}/{name}": content for name, content in forged.items()}


def read_cache(folder, work):
    layout = "rows" if any(path.name.startswith("rows-") for path in folder.iterdir()) else "json"
    (work / "cache").mkdir()
    for name, content in files_of(folder).items():
        path = work / "cache" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _read_cached(work, layout)


def _measure(folder, _work):
    labels = csr_array(np.eye(3, 4, dtype=np.float32))
    split = Split(csr_array(np.ones((3, 2), np.float32)), labels, np.empty((0, 2), np.int64))
    evaluate_scores(load_csr(folder / "p.npz"), split, inverse_propensity=torch.ones(4))


def _make_run(rng):
    files = {"config.yaml": CONFIG, "metrics.json": METRICS, "run.json": FACTS}
    name = rng.choice(list(files))
    files[name] = mutate_file(name, files[name], rng)
    return files


def _read_run(folder, _work):
    run = read_run(folder)
    if not isinstance(run, LeftOut):
        str((run.name, run.seed, run.split, run.stages))


@cache
def _checkpoint():
    file = io.BytesIO()
    torch.save({"weights": torch.ones(3, 2), "epoch": 2, "rows": [{"loss": 0.5}]}, file)
    return file.getvalue()


def _load_tensors(folder, _work):
    from xcgraph.training.checkpoints import load_tensors  # imports Lightning, which takes seconds

    load_tensors(folder / "w.ckpt")


def _make_checkpoint(rng):
    if rng.random() < 0.02:
        file = io.BytesIO()
        torch.save({"weights": Planted()}, file)
        return {"w.ckpt": rng.choice((file.getvalue(), planted_pickle()))}
    return {"w.ckpt": mutate_bytes(_checkpoint(), rng, _checkpoint())}


TARGETS = (
    Target("model folder", 8, _make_model, ask_model),
    Target("lines to label", 10, text_maker("lines", [LINES]), _answer_lines),
    Target("cache of a data set", 4, _make_cache, read_cache),
    Target("predictions", 8, lambda rng: {"p.npz": mutate_npz(CSR, rng)}, _measure),
    Target(
        "arrays of a stage",
        8,
        lambda rng: {"a.npz": mutate_npz({"ids": np.arange(4), "x": np.ones((2, 3), np.float32)}, rng)},
        lambda folder, _: load_arrays(folder / "a.npz"),
    ),
    Target("checkpoint", 4, _make_checkpoint, _load_tensors),
    Target("run folder", 5, _make_run, _read_run),
)
