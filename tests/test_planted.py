"""Tests that untrusted files and configs run no code: pickles planted in files, and names in configs."""

import ast
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from tests.fuzz.arrays import PLANTED, Planted, npz_bytes, pickled_npy
from tests.fuzz.files import SPLIT, TEXTS, read_dataset
from tests.fuzz.models import ask_model, cache_files, forge_sums, model_files, read_cache
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.errors import UserError
from xcgraph.runs.folder import RunFolder
from xcgraph.saved_runs.sources import ConfigSources, shipped_targets
from xcgraph.storage.npz import load_arrays, load_csr
from xcgraph.training.checkpoints import AtomicCheckpointIO, load_tensors

ROOT = Path(__file__).parents[1]
SOURCES = [file for folder in ("src", "data_modules") for file in sorted((ROOT / folder).rglob("*.py"))]
FORBIDDEN_MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"torch.export.load", "torch.jit.load", "yaml.load", "yaml.unsafe_load", "eval", "exec"}


def plant(kind):
    """Return the content of a file that runs code if it is opened without care."""
    if kind == "pickle":
        return pickle.dumps(Planted())
    if kind == "checkpoint":
        file = io.BytesIO()
        torch.save({"state_dict": Planted()}, file)
        return file.getvalue()
    if kind == "npy":
        return pickled_npy()
    names = ("idf", "data", "indices", "indptr", "shape", "format", "ids")
    return npz_bytes({f"{name}.npy": pickled_npy() for name in names})


FILES = [(SPLIT, "trn_X_Xf.npz"), (TEXTS, "Y.trn.npz"), (SPLIT, "Yf.txt")]
KINDS = pytest.mark.parametrize("kind", ["pickle", "checkpoint", "npy", "npz"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder for untrusted files; a planted pickle would leave a folder in the working directory."""
    (tmp_path / "work").mkdir()
    (tmp_path / "given").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "given"
    assert not Path(PLANTED).exists()


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_planted_code_runs_without_care(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    careless = {
        "npz": lambda file: np.load(file, allow_pickle=True)["data"],
        "npy": lambda file: np.load(file, allow_pickle=True),
        "checkpoint": lambda file: torch.load(file, weights_only=False),
        "pickle": pickle.load,
    }
    for kind, load in careless.items():
        load(io.BytesIO(plant(kind)))
        Path(PLANTED).rmdir()


@KINDS
@pytest.mark.parametrize("name", sorted(model_files(pieces=True)))
def test_planted_file_of_a_model_is_refused(folder, kind, name):
    write(folder, forge_sums({**model_files(pieces=True), name: plant(kind)}, "model.json"))

    with pytest.raises(UserError):
        ask_model(folder, None)


def test_planted_files_beside_a_model_are_ignored(folder):
    planted = {
        "model.pt": plant("checkpoint"),
        "model.pkl": plant("pickle"),
        "weights.npz": plant("npz"),
        "program.pt2": plant("checkpoint"),
        "pytorch_model.bin": plant("checkpoint"),
    }
    write(folder, forge_sums({**model_files(pieces=True), **planted}, "model.json"))

    ask_model(folder, None)


@KINDS
@pytest.mark.parametrize("name", sorted({**cache_files("rows"), **cache_files("json")}))
def test_planted_file_of_a_cache_is_refused_or_replaced(folder, kind, name):
    files = cache_files("rows" if name.startswith("rows-") else "json")
    artifact, _, planted = name.partition("/")
    chosen = {
        file_name.partition("/")[2]: files[file_name]
        for file_name in files
        if file_name.startswith(f"{artifact}/")
    }
    forged = forge_sums({**chosen, planted: plant(kind)}, "manifest.json")
    write(folder, {**files, **{f"{artifact}/{file_name}": content for file_name, content in forged.items()}})

    if planted == "manifest.json":  # an artifact without a valid manifest is built again
        read_cache(folder, Path.cwd())
    else:
        with pytest.raises(UserError):
            read_cache(folder, Path.cwd())


@KINDS
@pytest.mark.parametrize(
    ("files", "name"), [(SPLIT, "trn_X_Xf.npz"), (TEXTS, "Y.trn.npz"), (SPLIT, "Yf.txt")]
)
def test_planted_file_of_a_data_set_is_refused(folder, kind, files, name):
    others = {file_name: files[file_name] for file_name in files if file_name != name.replace(".npz", ".txt")}
    write(folder, {**others, name: plant(kind)})

    with pytest.raises(UserError):
        read_dataset(folder, Path.cwd())


@KINDS
@pytest.mark.parametrize("load", [load_arrays, load_csr, load_tensors, AtomicCheckpointIO().load_checkpoint])
def test_planted_file_of_a_stage_is_refused(folder, kind, load):
    write(folder, {"file": plant(kind)})

    with pytest.raises(UserError):
        load(folder / "file")


@KINDS
def test_planted_checkpoint_is_refused(folder, kind, toy):
    work, task = toy.workspace(folder / "store"), toy.tied_task()
    points = AllLabelsDataset(work.train), AllLabelsDataset(work.valid)
    write(folder, {"stage/last.ckpt": plant(kind)})

    with pytest.raises(UserError, match=r"last\.ckpt: .*checkpoint"):
        toy.stage().fit(task, points, work.label_metrics(), folder=folder / "stage", title="toy", seed=0)


@KINDS
def test_planted_predictions_are_refused(folder, kind):
    write(folder, {"predictions.npz": plant(kind), "stages/a/matrix.npz": plant(kind)})
    run = RunFolder(path=folder, config={}, metrics={}, facts={})

    assert run.matrix("a") is None
    with pytest.raises(UserError):
        run.predictions()


# --- names in the config of a run ------------------------------------------------------------------------


def open_run(tmp_path, node):
    run = RunFolder(path=tmp_path, config={"data": node}, metrics={}, facts={"data": {"fingerprint": "a"}})
    return ConfigSources((), tmp_path).data(run)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        "os.mkdir",
        "builtins.exec",
        "subprocess.run",
        "xcgraph.cli.export.main",
        "xcgraph.cli.sweep.SweepJournal",
        "xcgraph.storage.artifacts.write_atomically",
        "xcgraph.storage.artifacts.os.mkdir",
        "xcgraph.predict.from_run.portable_run",
        "pytorch_lightning.Trainer.fit",
        "data_modules.xc_repository.Path",
        "hydra.utils.get_method",
    ],
)
def test_target_that_is_no_part_is_refused(tmp_path, target, nested):
    node = {"_target_": target, "_args_": [str(tmp_path / "harm")]}
    if nested:
        node = {"_target_": "xcgraph.runs.Run", "data": [[{"a": node}]]}

    with pytest.raises(UserError, match=re.escape(target)):
        open_run(tmp_path, node)
    assert not (tmp_path / "harm").exists()


def test_interpolation_in_a_config_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"interpolation.*\$\{now:"):
        open_run(tmp_path, {"_target_": "${now:os.mkdir}", "path": "harm"})


def test_targets_of_shipped_configs_are_trusted():
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        text = OmegaConf.to_yaml(compose("train", []).recipe)

    named = {line.partition("_target_: ")[2] for line in text.splitlines() if "_target_: " in line}
    assert "xcgraph.tasks.LabelNetwork" in named
    assert named <= shipped_targets()


# --- the code itself -------------------------------------------------------------------------------------


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_source_file_opens_no_pickles(file):
    tree = ast.parse(file.read_text("utf-8"))

    assert not FORBIDDEN_MODULES.intersection(imports(tree))
    for function, words in calls(tree):
        assert function not in FORBIDDEN_CALLS
        assert not function.endswith((".load_from_checkpoint", ".read_pickle"))
        if function == "torch.load":
            assert words["weights_only"] == "True"
        if function == "np.load":
            assert words["allow_pickle"] == "False"
