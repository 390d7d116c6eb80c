"""Results count only if they are of the config, the code and the data that are asked for."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from scipy.sparse import csr_array

from xcgraph.cli.results import find_results, forget_data, move_old_results, share_data
from xcgraph.cli.sweep import cell_key, result_key
from xcgraph.code_digest import code_digest
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.runs.folder import find_runs

from .conftest import SMALL

METRICS = {"validation": {"P@1": 0.5}, "test": {"P@1": 0.25}}


def composed(*overrides):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose("train", [*overrides, "paths.run=here"])


def data_with(fingerprint):
    return lambda: SimpleNamespace(name="mine", fingerprint=fingerprint)


def unreadable():
    raise AssertionError("the data are read")


def leave_results(folder, config, *, fingerprint="f1", code=None):
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    facts = {"data": {"fingerprint": fingerprint}, "code": code or code_digest(), "seed": config.seed}
    (folder / "run.json").write_text(json.dumps(facts))
    (folder / "metrics.json").write_text(json.dumps({"data": "mine", **METRICS}))


def test_results_of_the_same_config_code_and_data_count(tmp_path):
    config = composed()
    assert find_results(tmp_path, config, unreadable).metrics is None
    leave_results(tmp_path, config)
    assert find_results(tmp_path, config, data_with("f1")).metrics == METRICS
    elsewhere = composed("paths.root=elsewhere", "logger=wandb")
    assert find_results(tmp_path, elsewhere, data_with("f1")).metrics == METRICS


def test_results_of_other_data_do_not_count(tmp_path):
    config = composed()
    leave_results(tmp_path, config)
    found = find_results(tmp_path, config, data_with("f2"))
    assert found.metrics is None
    assert found.refusal == "of other data (mine: fingerprint f1, now f2)"


def test_results_of_other_code_do_not_count(tmp_path):
    config = composed()
    leave_results(tmp_path, config, code="0" * 16)
    found = find_results(tmp_path, config, unreadable)
    assert (found.metrics, found.is_other_config) == (None, False)
    assert found.refusal == f"of other code (digest {'0' * 16}, now {code_digest()})"


def test_results_of_another_config_do_not_count(tmp_path):
    leave_results(tmp_path, composed())
    found = find_results(tmp_path, composed("seed=1"), unreadable)
    assert (found.metrics, found.is_other_config) == (None, True)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", "{"),
        ("metrics.json", "[]"),
        ("run.json", None),
        ("run.json", "{}"),
        ("config.yaml", "data: [1,"),
        ("config.yaml", None),
    ],
)
def test_damaged_results_do_not_count(file, content, tmp_path):
    config = composed()
    leave_results(tmp_path, config)
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_text(content)
    found = find_results(tmp_path, config, data_with("f1"))
    assert found.metrics is None
    assert found.refusal == "damaged" + (f", without {file}" if content is None else "")


# --- where data lie -------------------------------------------------------------------------------------


def folder_config(path, *overrides):
    return composed("data=xc_folder", f"data.path={path}", "data.name=mine", *overrides)


def test_cell_key_depends_on_the_absolute_path_of_the_data(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    key = cell_key(folder_config(tmp_path / "a"))
    assert key != cell_key(folder_config(tmp_path / "b"))
    assert key == cell_key(folder_config(tmp_path / "a", "paths.root=elsewhere"))
    assert key == cell_key(folder_config(f"{tmp_path}/b/../a"))
    monkeypatch.chdir(tmp_path)
    assert key == cell_key(folder_config("a"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert key == cell_key(folder_config("'~/a'"))


def test_result_key_does_not_depend_on_where_data_lie(tmp_path):
    key = result_key(folder_config(tmp_path / "a"))
    assert key == result_key(folder_config(tmp_path / "b"))
    assert key != result_key(folder_config(tmp_path / "a", "data.layout=texts"))
    table = ("data=table", "data.path=a.csv")
    assert result_key(composed(*table, "data.test=b.csv")) == result_key(composed(*table, "data.test=c.csv"))
    assert result_key(composed(*table, "data.test=0.1")) != result_key(composed(*table, "data.test=0.3"))
    assert result_key(composed(*table, "data.test=column:a")) != result_key(
        composed(*table, "data.test=column:b")
    )


def test_results_of_equal_data_at_another_path_count(tmp_path):
    first = folder_config(tmp_path / "a")
    leave_results(tmp_path / "cells" / "one", first)
    second = folder_config(tmp_path / "b")
    found = find_results(tmp_path / "cells" / "two", second, data_with("f1"))
    assert (found.folder, found.metrics) == (tmp_path / "cells" / "one", METRICS)
    assert find_results(tmp_path / "cells" / "two", second, data_with("f2")).metrics is None
    other_seed = folder_config(tmp_path / "b", "seed=1")
    assert find_results(tmp_path / "cells" / "two", other_seed, unreadable).metrics is None


# --- old results ----------------------------------------------------------------------------------------

MOVED = ("config.yaml", "epochs.csv", "metrics.json", "predictions.npz", "run.json", "stages")


@pytest.fixture
def finished(tmp_path):
    """A run folder with results, Hydra's output, the log and the lock of the current process."""
    (tmp_path / "stages" / "graph").mkdir(parents=True)
    (tmp_path / ".hydra").mkdir()
    for name in (*MOVED[:-1], "train.log", "abc.lock"):
        (tmp_path / name).write_text(f"old {name}")
    return tmp_path


def old_files(folder):
    return {path.name for each in folder.glob("superseded/*") for path in each.iterdir()}


def test_old_results_move_into_a_folder_of_their_own(finished):
    move_old_results(finished)
    (target,) = finished.glob("superseded/*")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", target.name)
    assert sorted(path.name for path in target.iterdir()) == list(MOVED)
    assert (target / "metrics.json").read_text() == "old metrics.json"
    assert {path.name for path in finished.iterdir()} == {".hydra", "abc.lock", "superseded", "train.log"}

    move_old_results(finished)  # There are no results left.
    (finished / "metrics.json").write_text("newer")
    move_old_results(finished)
    assert len(list(finished.glob("superseded/*"))) == 2


@pytest.mark.parametrize("call", range(1, len(MOVED) + 2))
def test_killed_move_of_old_results_goes_on(finished, interrupter, call):
    interrupter.raise_in(Path, "replace", call=call)
    with pytest.raises(Exception, match="replace, call"):
        move_old_results(finished)
    interrupter.stop()
    if call > 1:
        assert not (finished / "metrics.json").exists()
    move_old_results(finished)
    (target,) = finished.glob("superseded/*")
    assert not target.name.endswith(".partial")
    assert old_files(finished) == set(MOVED)


# --- data that are read once ----------------------------------------------------------------------------


def test_cells_with_equal_data_nodes_read_the_data_once():
    read = []

    class Module(XCDataModule):
        def read(self):
            read.append(self.name)
            one = csr_array(np.ones((1, 1), np.float32))
            split = Split(one, one, NO_PAIRS)
            return XCData(name=self.name, train=split, test=split, label_features=one)

    def module(node):
        return Module(name=node.name, propensity_a=0.55, propensity_b=1.5)

    forget_data()
    nodes = [OmegaConf.create({"name": name}) for name in ("a", "a", "b", "a")]
    found = [share_data(node, module(node)).data for node in nodes]
    assert read == ["a", "b", "a"]
    assert found[0] is found[1]
    forget_data()


# --- whole runs -----------------------------------------------------------------------------------------

COLORS, FRUITS = ("red", "green", "blue"), ("apple", "pear", "plum")


def write_table(path, *, shift=0):
    """Write a table of 45 points; the labels of the test points are shifted."""
    names = [f"{color} {fruit}" for color in COLORS for fruit in FRUITS]
    rows = ["text,labels,part"]
    for number in range(45):
        part = "test" if number % 5 == 4 else "train"
        label = (number + shift * (part == "test")) % len(names)
        rows.append(f"{names[number % len(names)]} {['fresh', 'ripe', 'sweet'][number % 3]},l{label},{part}")
    path.write_text("\n".join(rows) + "\n")


TABLE = (
    "data=table",
    "data.test=column:part",
    "experiment=smoke",
    "num_threads=1",
    "shortlister.beam_size=2",
    "ranker.top_k=5",
    "text.min_df=1",
    "validation.fraction=0.2",
    "progress=quiet",
)


def sweep(console, *arguments):
    status, output, errors = console.run("xcgraph-train", "-m", *TABLE, *arguments)
    assert status == 0, errors
    return output


def cells(console, root="runs"):
    return sorted(path.parent for path in (console.folder / root).glob("sweeps/*/*/*/metrics.json"))


def test_edited_data_are_run_again_and_old_results_are_kept(console):
    table = console.folder / "a.csv"
    write_table(table)
    sweep(console, "data.path=a.csv")
    (cell,) = cells(console)
    before = (cell / "metrics.json").read_bytes()

    write_table(table, shift=1)
    output = sweep(console, "data.path=a.csv")
    assert "are of other data (table: fingerprint " in output
    assert cells(console) == [cell]
    assert json.loads((cell / "metrics.json").read_text())["test"] != json.loads(before)["test"]
    (old,) = cell.glob("superseded/*")
    assert (old / "metrics.json").read_bytes() == before
    assert {"config.yaml", "run.json", "predictions.npz", "stages"} <= {path.name for path in old.iterdir()}

    assert "Finished before: nothing to do" in sweep(console, "data.path=a.csv")
    runs, left_out = find_runs([console.folder / "runs" / "sweeps"])
    assert ([run.path for run in runs], left_out) == ([cell], [])


def test_predictor_of_a_run_whose_data_changed_names_the_data(console, monkeypatch):
    write_table(console.folder / "a.csv")
    status, _, errors = console.run("xcgraph-train", *TABLE, "data.path=a.csv", "hydra.run.dir=run")
    assert status == 0, errors
    run = console.folder / "run"
    monkeypatch.chdir("/")
    Predictor.load(run)
    write_table(console.folder / "a.csv", shift=1)
    before = json.loads((run / "run.json").read_text())["data"]["fingerprint"]
    with pytest.raises(
        UserError, match=rf"the data have changed: table has .* now, .* {before}; restore"
    ) as error:
        Predictor.load(run)
    assert "other inputs" not in str(error.value)


def test_equal_data_at_another_path_are_the_same_result_and_other_data_another_cell(console):
    write_table(console.folder / "a.csv")
    shutil.copy(console.folder / "a.csv", console.folder / "copy.csv")
    write_table(console.folder / "b.csv", shift=1)
    output = sweep(console, "data.path=a.csv,copy.csv,b.csv")
    assert output.count("Finished before, on the same data at another path") == 1
    assert len(cells(console)) == 2
    runs, left_out = find_runs([console.folder / "runs" / "sweeps"])
    assert (len(runs), left_out) == (2, [])


def test_same_data_from_another_folder_are_the_same_cell(console):
    write_table(console.folder / "a.csv")
    sweep(console, "data.path=a.csv")
    inner = console.folder / "inner"
    inner.mkdir()
    console.folder = inner
    assert "Finished before: nothing to do" in sweep(console, "data.path=../a.csv", "paths.root=../runs")


def test_run_of_other_code_is_run_again_with_new_stages(console):
    assert console.run("xcgraph-train", *SMALL, "hydra.run.dir=run")[0] == 0
    facts = json.loads((console.folder / "run" / "run.json").read_text())
    (console.folder / "run" / "run.json").write_text(json.dumps({**facts, "code": "0" * 16}))
    status, output, _ = console.run("xcgraph-train", *SMALL, "hydra.run.dir=run")
    assert status == 0
    assert f"run are of other code (digest {'0' * 16}, now {facts['code']}): running again." in output
    assert json.loads((console.folder / "run" / "run.json").read_text())["code"] == facts["code"]
    assert len(list((console.folder / "run" / "superseded").iterdir())) == 1
