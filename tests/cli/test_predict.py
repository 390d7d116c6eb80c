"""xcgraph-export and xcgraph-predict as users meet them."""

import gzip
import importlib
import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import load_npz

from xcgraph.cli import export, predict

from .conftest import PLUGIN, Console


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A console whose folder has a run and the model of it."""
    console = Console(tmp_path_factory.mktemp("trained"))
    folder = console.train()
    output = run("export", folder, "--out", "model", "--trust", "toy_data", cwd=console.folder)
    assert output.returncode == 0, output.stderr
    assert b"takes weights of tokens, no text" in output.stdout
    (console.folder / "lines.txt").write_text("red\n")
    return console.folder, folder


def run(command, *arguments, cwd, stdin=b""):
    """Run a console script."""
    return subprocess.run(
        [sys.executable, "-m", f"xcgraph.cli.{command}", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
        input=stdin,
        capture_output=True,
        timeout=300,
    )


def test_answers_are_the_predictions_of_the_run(trained, monkeypatch):
    """The run filters an item's own label; where it has, the model's first labels are others."""
    folder, run_folder = trained
    monkeypatch.syspath_prepend(PLUGIN)
    features = importlib.import_module("toy_data")._split(80, seed=1).features
    rows = [features[[row]] for row in range(80)]
    bags = [
        {"features": dict(zip(map(str, row.indices.tolist()), row.data.tolist(), strict=True))}
        for row in rows
    ]
    stdin = "".join(json.dumps({**bag, "id": row}) + "\n" for row, bag in enumerate(bags)).encode()

    by_model = run("predict", "model", "--format", "json", cwd=folder, stdin=stdin)
    by_run = run("predict", run_folder, "--trust", "toy_data", "--format", "json", cwd=folder, stdin=stdin)

    assert (by_model.returncode, by_model.stderr) == (0, b"")
    assert by_model.stdout == by_run.stdout
    found = [json.loads(line) for line in by_model.stdout.splitlines()]
    assert [answer["id"] for answer in found] == list(range(80))
    scores = load_npz(run_folder / "predictions.npz").toarray()
    for row, answer in enumerate(found):
        for label in answer["labels"]:
            if scores[row, label["label"]]:
                assert label["score"] == pytest.approx(scores[row, label["label"]], rel=1e-3)
            assert label["name"] == f"label {label['label']}"
    best = np.array([answer["labels"][0]["label"] for answer in found])
    assert (best == scores.argmax(axis=1)).mean() > 0.9


def test_bad_lines_are_answered_in_their_place_and_reported(trained, tmp_path):
    lines = [b'{"features": {"1": 1}}', b"{oops", b"", b"\xff", b'{"text": "no"}', b'{"features": {"2": 1}}']
    (tmp_path / "points.jsonl").write_bytes(b"\n".join(lines))

    output = run("predict", "model", tmp_path / "points.jsonl", "--batch-size", 2, cwd=trained[0])

    found = [json.loads(line) for line in output.stdout.splitlines()]
    assert [answer["line"] for answer in found] == [1, 2, 3, 4, 5, 6]
    assert ["labels" in answer for answer in found] == [True, False, False, False, False, True]
    assert output.returncode == 1
    report = output.stderr.decode()
    assert report.startswith("4 bad line(s), all others are answered:\n  line 2: expected JSON")
    assert "line 5: expected weights of tokens by column, found a text" in report
    assert "Traceback" not in report


def test_gzip_lines_are_read_and_utf16_is_refused(trained, tmp_path):
    line = b'{"features": {"1": 1}}\n'
    (tmp_path / "points.jsonl.gz").write_bytes(gzip.compress(line * 3))
    (tmp_path / "utf16.txt").write_bytes("pear\n".encode("utf-16-le"))

    packed = run("predict", "model", tmp_path / "points.jsonl.gz", cwd=trained[0])
    plain = run("predict", "model", "--format", "json", cwd=trained[0], stdin=line * 3)
    refused = run("predict", "model", tmp_path / "utf16.txt", cwd=trained[0])

    assert packed.stdout == plain.stdout
    assert len(packed.stdout.splitlines()) == 3
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert re.fullmatch(rb".*utf16\.txt: .*UTF-8, found UTF-16.* iconv -f UTF-16 .*\n", refused.stderr)


def test_lines_are_answered_while_more_are_awaited(trained):
    process = subprocess.Popen(
        [sys.executable, "-m", "xcgraph.cli.predict", "model", "--format", "json"],
        cwd=trained[0],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        for number in (1, 2):
            process.stdin.write(b'{"features": {"1": 1}}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_reader_that_has_enough_is_no_failure_of_ours(trained):
    lines = b'{"features": {"1": 1}}\n' * 20_000
    code = f"{sys.executable} -m xcgraph.cli.predict model --format json | head -n 1"

    output = subprocess.run(code, shell=True, cwd=trained[0], input=lines, capture_output=True, timeout=120)

    assert json.loads(output.stdout)["line"] == 1
    assert b"Traceback" not in output.stderr
    assert b"BrokenPipe" not in output.stderr


def test_progress_is_for_a_terminal_that_shows_nothing_else(trained):
    ours, theirs = pty.openpty()
    output = subprocess.run(
        [sys.executable, "-m", "xcgraph.cli.predict", "model", "--format", "json"],
        cwd=trained[0],
        input=b'{"features": {"1": 1}}\n' * 3,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)

    assert b"lines" in os.read(ours, 1 << 16)
    assert len(output.stdout.splitlines()) == 3
    os.close(ours)


def enter(main, capsys, *arguments):
    """Enter a command in this process: (exit status, standard output, standard error)."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    output = capsys.readouterr()
    return left.value.code, output.out, output.err


def damage(folder, tmp_path, name, change):
    copy = tmp_path / "damaged"
    copy.mkdir()
    for path in (folder / "model").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / name).write_bytes(change((copy / name).read_bytes()))
    return copy


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights.safetensors", lambda content: content[: len(content) // 2], "found a damaged one"),
        ("weights.safetensors", lambda _: b"", "found a damaged one"),
        ("label_names.json", lambda content: content[:-1], "found a damaged one"),
        ("model.json", lambda content: content[:-9], "expected JSON"),
        (
            "model.json",
            lambda c: c.replace(b'"version": 3', b'"version": 9'),
            "expected version 3 .*, found 9",
        ),
    ],
)
def test_a_damaged_model_is_said_in_a_sentence(trained, tmp_path, capsys, name, change, message):
    (tmp_path / "lines.txt").write_text("red\n")
    model = damage(trained[0], tmp_path, name, change)

    status, output, errors = enter(predict.main, capsys, str(model), str(tmp_path / "lines.txt"))

    assert (status, output, len(errors.splitlines())) == (2, "", 1)
    assert re.search(message, errors), errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: expected a model folder of xcgraph-export or a run folder of xcgraph-train"),
        (["."], "found a folder that contains models or runs; give one of them, such as "),
        (["model", "missing.txt"], "missing.txt: expected a file of lines, found: No such file"),
        (["model", "."], "expected a file of lines, found: Is a directory"),
        (
            ["model", "lines.txt", "--top-k", "0"],
            "top_k: expected a whole number from 1 to 20, which the model keeps, found 0",
        ),
        (["model", "lines.txt", "--batch-size", "0"], "--batch-size: expected 1 or more, found 0"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(trained, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(trained[0])

    status, output, errors = enter(predict.main, capsys, *arguments)

    assert (status, output, len(errors.splitlines())) == (2, "", 1)
    assert message in errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--out", "model"], "model: expected a new folder, but it exists"),
        (["--out", "/dev/null/model"], "--out=/dev/null: /dev/null is not a folder"),
        ([], "names toy_data.Toy, which is not of xcgraph: if you trust it, add --trust toy_data"),
    ],
)
def test_export_refuses(trained, monkeypatch, capsys, change, message):
    folder, run_folder = trained
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(PLUGIN)
    arguments = [*change, "--trust", "toy_data"] if change else ["--out", "other"]

    status, _, errors = enter(export.main, capsys, str(run_folder), *arguments)

    assert status == 2
    assert re.search(message, errors), errors
    assert not (folder / "other").exists()
    assert not list(folder.glob(".*.partial"))
