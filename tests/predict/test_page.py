"""The examples of docs/predict.md run, and its file and field names are right."""

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xcgraph.cli.export import build_parser
from xcgraph.predict.folder import save_model
from xcgraph.predict.program_file import save_program

from .test_folder import with_words
from .test_inputs import Words

PAGE = (Path(__file__).parents[2] / "docs" / "predict.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def model(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(with_words(trained("eclare")[1], Words), tmp_path / "model", beside=[save_program])
    return tmp_path / "model"


@pytest.mark.usefixtures("model")
def test_python_examples_run_in_order():
    code, output = "\n".join(blocks("python")), io.StringIO()

    with contextlib.redirect_stdout(output):
        exec(compile(code, "predict.md", "exec"), variables := {})

    lines = output.getvalue().splitlines()
    best, path = variables["best"], variables["path"]
    assert lines[0] == f"{best.name} {best.label} {best.score}"
    assert len(lines) == 3 + len(path.label.neighbours)
    apple = variables["bags"][0][0]  # the program predicted the same point
    assert lines[-1] == f"{apple.name} {variables['scores'][0, 0].item()}"
    assert path.label.own == pytest.approx(path.meta.score * path.probability, rel=1e-4)
    assert set(path.views) == {"text", "graph", "refinement"}


@pytest.mark.usefixtures("model")
def test_shell_examples_give_the_fields_that_the_page_shows():
    export, predict, program = blocks("sh")
    assert program == export.replace("model\n", "model --program\n")
    script, *arguments = shlex.split(export)
    options = build_parser().parse_args(arguments)
    assert (script, options.out) == ("xcgraph-export", "model")
    command = predict.replace("xcgraph-predict", f"{shlex.quote(sys.executable)} -m xcgraph.cli.predict")

    output = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=True)

    answers = [json.loads(line) for line in output.stdout.splitlines()]
    assert [answer["line"] for answer in answers] == [1, 2, 1, 2]
    assert [len(answer["labels"]) for answer in answers] == [2, 2, 5, 5]
    (shown,) = (json.loads(block) for block in blocks("json"))
    assert list(shown) == list(answers[2])
    assert shown["id"] == answers[2]["id"]
    assert list(shown["labels"][0]) == list(answers[2]["labels"][0])


def test_page_names_every_file_of_a_model(model):
    assert all(f"`{path.name}`" in PAGE for path in model.iterdir())
