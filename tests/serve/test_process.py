"""xcgraph-serve as users meet it."""

import contextlib
import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from xcgraph.cli import serve
from xcgraph.predict.folder import save_model
from xcgraph.predict.predictor import Predictor


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "model"
    save_model(model, folder)
    return folder


@contextlib.contextmanager
def serving(*arguments):
    """Start a server on a free port, and give its process and address."""
    command = [sys.executable, "-m", "xcgraph.cli.serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address, process.stderr.read()
        yield process, address[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_a_signal_lets_those_that_wait_have_their_answers(folder, model):
    with serving(folder, "--gather-ms", 1500) as (process, address), ThreadPoolExecutor(2) as clients:
        with httpx2.Client(base_url=address, timeout=60) as client:

            def ask(text):
                return client.post("/predict", json={"inputs": [text], "top_k": 2})

            asked = [clients.submit(ask, text) for text in ("red", "pear")]
            while client.get("/health").json()["waiting_inputs"] < 2:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            answers = [each.result() for each in asked]
        process.wait(timeout=60)

    expected = Predictor(model).predict(["red", "pear"], 2)
    for answer, labels in zip(answers, expected.labels.tolist(), strict=True):
        assert [each["label"] for each in answer.json()["predictions"][0]["labels"]] == labels
    assert process.returncode == -signal.SIGTERM


@pytest.fixture
def refusal(capsys):
    """The one sentence with which the command leaves."""

    def refusal(*arguments):
        with pytest.raises(SystemExit) as left:
            serve.main(list(map(str, arguments)))
        assert left.value.code == 2
        output = capsys.readouterr()
        (sentence,) = output.err.splitlines()
        assert output.out == ""
        return sentence

    return refusal


def test_a_port_that_is_taken(folder, refusal):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sentence = refusal(folder, "--port", port)

    assert sentence.startswith(f"127.0.0.1:{port}: expected a free port, found: Address already in use")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", 65536], "--port: expected 0 to 65535, found 65536."),
        (
            ["--port", 0, "--host", "no.such.host.invalid"],
            "--host: expected an address of this",
        ),
        (["--batch-size", 0], "batch_size: expected 1 or more, found 0."),
    ],
)
def test_options_that_cannot_be(arguments, sentence, folder, refusal):
    assert refusal(folder, *arguments).startswith(sentence)


def test_a_model_that_is_not_there(tmp_path, refusal):
    found = refusal(tmp_path / "nothing", "--port", 0)

    assert found == f"{tmp_path / 'nothing'}: expected the folder of a model or of a run, found none."


def test_a_missing_extra_says_how_to_install_it(folder, refusal, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "fastapi" and find_spec(name))

    assert refusal(folder) == "The server needs fastapi: pip install 'xcgraph[serve]'."


def test_nobody_but_this_machine_is_listened_to_unless_told():
    assert serve.build_parser().parse_args(["model"]).host == "127.0.0.1"
