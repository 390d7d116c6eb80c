import shutil

import pytest

from xcgraph.errors import UserError
from xcgraph.runs.folder import find_runs


def test_find_runs_finds_each_run_once_at_any_depth(run_maker, tmp_path):
    deep = run_maker.make(folder="a/b/c")
    flat = run_maker.make(seed=1, folder="d")
    (tmp_path / "runs" / "empty").mkdir()

    runs, left_out = find_runs(
        [tmp_path / "runs", tmp_path / "runs" / "d", tmp_path / "runs" / "a" / ".." / "a"]
    )

    assert [run.path for run in runs] == [deep, flat] or {run.path.resolve() for run in runs} == {deep, flat}
    assert (left_out, [run.seed for run in runs]) == ([], [0, 1])
    assert runs[0].stages[0] == "graph"
    assert runs[0].matrix("graph").shape == (40, 40)
    assert runs[0].matrix("no-such-stage") is None


def test_find_runs_leaves_out_superseded_results_and_cells_without_own_results(run_maker, tmp_path):
    run = run_maker.make(folder="sweeps/one")
    shutil.copytree(run, tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", run.parent / "superseded" / "2026-01-01_00-00-00")
    empty = run.parent / "two"
    (empty / ".hydra").mkdir(parents=True)
    (empty / "results_elsewhere.txt").write_text("../one\n")
    runs, left_out = find_runs([tmp_path / "runs"])
    assert [each.path for each in runs] == [run]
    assert left_out == []


def test_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"run folders of xcgraph-train in .*, found none; .*metrics\.json"):
        find_runs([tmp_path])


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere: expected a run folder"):
        find_runs([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("metrics.json", None, "unfinished: it has no metrics.json"),
        ("metrics.json", "{", "damaged: Expecting"),
        ("metrics.json", '{"validation": {}, "test": {}}', "damaged: metrics.json has no metrics"),
        ("metrics.json", "[]", "damaged: "),
        ("metrics.json", '{"validation": {"P@1": NaN}, "test": {}}', "expected a number, found nan"),
        ("run.json", None, "damaged: it has no run.json"),
        ("run.json", "{}", "damaged: it has no 'data'"),
        ("run.json", "\xff\xfe", "damaged: "),
        ("config.yaml", None, "damaged: it has no config.yaml"),
        ("config.yaml", "name: eclare", "damaged: it has no 'seed'"),
        ("config.yaml", "name: a\nseed: 0\ndata: 3", "damaged: "),
        ("config.yaml", "a: [", "damaged: while parsing"),
        ("config.yaml", "", "damaged: "),
        ("config.yaml", "[" * 900, "damaged: config.yaml: brackets are nested too deeply"),
        ("config.yaml", "[" * 100_000, "damaged: config.yaml: expected at most 1000 brackets"),
        (
            "config.yaml",
            "a: &a [1]\nb: [*a, *a]",
            "damaged: config.yaml: expected plain YAML",
        ),
        ("config.yaml", "a" * (1 << 20) + "a", "damaged: config.yaml: expected at most 131072 characters"),
        (
            "config.yaml",
            "a: !!python/object/apply:os.system [x]",
            "damaged: could not determine a",
        ),
        ("run.json", "[" * 100_000, "damaged: run.json: brackets are nested too deeply"),
    ],
)
def test_unfinished_and_damaged_runs_are_left_out_with_a_reason(run_maker, file, content, reason):
    path = run_maker.make()
    if content is None:
        (path / file).unlink()
    else:
        (path / file).write_text(content, "latin-1")

    runs, left_out = find_runs([path])

    assert runs == []
    assert left_out[0].path == path
    assert reason in left_out[0].reason
    assert "\n" not in left_out[0].reason


@pytest.mark.parametrize("key", ["labels", "truth"])  # truth: in older versions
def test_fingerprint_of_the_labels_is_read(run_maker, key):
    path = run_maker.make(facts={"data": {"name": "toy", "fingerprint": "f", key: "abcd"}})

    (run,), _ = find_runs([path])

    assert run.labels_fingerprint == "abcd"


@pytest.mark.parametrize("data", [{"fingerprint": "f"}, {"fingerprint": "f", "labels": 3}])
def test_run_without_a_fingerprint_of_the_labels_is_left_out(run_maker, data):
    path = run_maker.make(facts={"data": {"name": "toy", **data}})

    runs, (left_out,) = find_runs([path])

    assert runs == []
    assert "damaged: " in left_out.reason


def test_reason_quotes_the_error_of_a_failed_run(run_maker):
    path = run_maker.make()
    (path / "metrics.json").unlink()
    (path / "error.txt").write_text("Traceback\n  stack\nValueError: too small\n\n")

    assert find_runs([path])[1][0].reason.endswith("it failed with ValueError: too small")


def test_damaged_stage_file_is_ignored(run_maker):
    path = run_maker.make()
    (path / "stages" / "graph" / "matrix.npz").write_bytes(b"PK\x03\x04 no zip")

    (run,), _ = find_runs([path])

    assert run.matrix("graph") is None
