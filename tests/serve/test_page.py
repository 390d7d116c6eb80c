"""The README's three ways to predict agree, and docs/serve.md matches the server."""

import contextlib
import io
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from xcgraph.cli import export, serve
from xcgraph.predict.folder import save_model
from xcgraph.predict.predictor import Predictor
from xcgraph.serve.access import Access
from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8").partition("## Predict\n")[2].partition("\n## ")[0]
PAGE = (ROOT / "docs" / "serve.md").read_text("utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's example uses curl")
def test_shell_http_and_python_give_the_same_labels(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(model, tmp_path / "model")
    (shell,), (python,) = blocks(README, "sh"), blocks(README, "python")
    assert len(shell.splitlines() + python.splitlines()) <= 10
    exported, *lines = shell.splitlines()
    assert export.build_parser().parse_args(shlex.split(exported)[1:]).out == "model"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    commands = re.sub(r"xcgraph-(\w+)", rf"{shlex.quote(sys.executable)} -m xcgraph.cli.\1", "\n".join(lines))

    output = subprocess.run(
        ["bash", "-ec", commands.replace("8000", str(port)) + "\nkill $!"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    line, served, answer = output.stdout.splitlines()
    assert served.startswith(f"Serving random on http://127.0.0.1:{port}/ ")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(python, "README.md", "exec"), variables := {})
    by_shell, (by_http,) = json.loads(line)["labels"], json.loads(answer)["predictions"]
    assert by_shell == by_http["labels"]
    assert [label["name"] for label in by_shell] == variables["found"].names[0]
    assert str(variables["found"].names[0]) in printed.getvalue()


def test_request_of_the_page_gets_an_answer_with_the_fields_of_the_page(model):
    request, shown, refusal = (json.loads(block) for block in blocks(PAGE, "json"))
    bad = {"inputs": [*request["inputs"][:2], {"features": {"7": 1.0}}]}
    with TestClient(create_app(Predictor(model), ServeSettings())) as client:
        found = client.post("/predict", json=request).json()
        refused = client.post("/predict", json=bad)

    assert [len(point["labels"]) for point in found["predictions"]] == [2, 2, 2]
    assert list(found) == list(shown)
    assert list(found["predictions"][0]) == list(shown["predictions"][0])
    assert list(found["predictions"][0]["labels"][0]) == list(shown["predictions"][0]["labels"][0])
    assert (refused.status_code, refused.json()) == (422, refusal)


def test_page_has_every_path_status_and_option(model):
    described = create_app(Predictor(model), ServeSettings(), Access(token="secret")).openapi()["paths"]
    statuses = set(described["/predict"]["post"]["responses"]) - {"200"}

    assert set(re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)) == statuses
    assert set(described) == {"/predict", "/labels", "/health", "/metrics"}
    assert all(f"`GET {path}`" in PAGE or f"`POST {path}`" in PAGE for path in described)
    assert all(f"`--{each.name.replace('_', '-')}`" in PAGE for each in fields(ServeSettings))
    assert "`--cors ORIGIN`" in PAGE
    assert "`--token-file FILE`" in PAGE


def test_command_of_the_page_parses():
    install, command = blocks(PAGE, "sh")[0].splitlines()

    assert install.startswith("pip install '.[serve]'")
    assert serve.build_parser().parse_args(shlex.split(command)[1:]).model == "model"
