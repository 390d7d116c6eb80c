"""A refused run leaves no folder, unless the folder was there before or the run has stored something."""

import pytest

from .conftest import SMALL

REFUSED = {
    "config": ((*SMALL, "ranker.game_mix=2.0"), "ranker.game_mix must lie in [0, 1], got 2.0"),
    "no data": (("experiment=smoke", "data=table", "data.path=no.csv"), "no.csv"),
    "one point": (("experiment=smoke", "data=table", "data.path=one.csv"), "at least 2 training points"),
}


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def table(console):
    (console.folder / "one.csv").write_text("text,labels\nred red apple,red\n")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("more", [(), ("paths.run=mine/first",), ("paths.root=a/b",), ("hydra.run.dir=c/d",)])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_run_leaves_no_folder(console, case, more):
    overrides, message = REFUSED[case]
    before = tree(console.folder)

    status, _, errors = console.run("xcgraph-train", *overrides, *more)

    assert status == 2
    assert message in errors
    # Folders of the user's own, outside paths.root, stay.
    assert [path for path in tree(console.folder) if path not in ("a", "c", "mine")] == before


def test_folders_that_were_there_before_stay(console):
    (console.folder / "runs").mkdir()
    (console.folder / "mine").mkdir()
    status, _, _ = console.run("xcgraph-train", *REFUSED["config"][0], "hydra.run.dir=mine")
    assert status == 2
    assert {"mine", "runs"} <= set(tree(console.folder))


def test_folder_with_other_files_stays(console):
    (console.folder / "runs" / "mine").mkdir(parents=True)
    (console.folder / "runs" / "mine" / "notes.txt").write_text("mine")
    console.run("xcgraph-train", *REFUSED["config"][0], "hydra.run.dir=runs/mine")
    assert (console.folder / "runs" / "mine" / "notes.txt").exists()


def test_refused_run_leaves_results_and_artifacts_of_others(console):
    console.train()
    before = tree(console.folder)
    assert console.run("xcgraph-train", *REFUSED["config"][0])[0] == 2
    assert tree(console.folder) == before


def test_sweep_in_which_all_cells_are_refused_leaves_its_journal_only(console):
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, "ranker.game_mix=2.0,3.0")
    assert status == 1
    assert "got 2.0" in errors
    assert "error.txt" not in errors
    sweeps = console.folder / "runs" / "sweeps"
    assert [path for path in tree(sweeps) if not path.endswith(".jsonl")] in ([], ["multirun.yaml"])
    assert tree(console.folder / "runs")[0] == "sweeps"
