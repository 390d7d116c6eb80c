"""xcgraph-serve as a process: log, signals, and refusals in one sentence."""

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
    """Start a server on a free port, and yield its process and address."""
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


def test_signal_lets_waiting_requests_finish(folder, model):
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
    """Return a function that runs the command and returns the one sentence with which it exits."""

    def refusal(*arguments):
        with pytest.raises(SystemExit) as left:
            serve.main(list(map(str, arguments)))
        assert left.value.code == 2
        output = capsys.readouterr()
        (sentence,) = output.err.splitlines()
        assert output.out == ""
        return sentence

    return refusal


def test_taken_port_is_refused(folder, refusal):
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
        (["--cors", "example.org"], "cors: expected an origin such as https://example.org, without a path"),
        (["--token-file", "no/file"], "no/file: expected a file with a token, found: No such file"),
    ],
)
def test_impossible_option_is_refused(arguments, sentence, folder, refusal):
    assert refusal(folder, *arguments).startswith(sentence)


def test_missing_model_is_refused(tmp_path, refusal):
    found = refusal(tmp_path / "nothing", "--port", 0)

    assert found.startswith(
        f"{tmp_path / 'nothing'}: expected a model folder of xcgraph-export or a run folder"
    )
    assert found.endswith("found nothing at this path.")


def test_log_has_a_line_while_loading_and_the_output_has_the_address(folder):
    with serving(folder) as (process, address):
        assert process.stderr.readline() == f"Loading the model in {folder}\n"
        assert re.fullmatch(r"Loaded in \d+\.\d s: random, 120 labels, 3 tokens\n", process.stderr.readline())
        assert httpx2.get(address).status_code == 200


def test_token_file_protects_predictions(folder, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with serving(folder, "--token-file", tmp_path / "token") as (_, address):
        body = {"inputs": ["red"]}
        refused = httpx2.post(f"{address}/predict", json=body)
        answer = httpx2.post(f"{address}/predict", json=body, headers={"Authorization": "Bearer secret"})

    assert (refused.status_code, answer.status_code) == (401, 200)


def test_missing_extra_is_named_with_its_installation(folder, refusal, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "fastapi" and find_spec(name))

    assert refusal(folder) == "The server needs fastapi; run: pip install fastapi"


def test_default_host_is_this_machine_only():
    assert serve.build_parser().parse_args(["model"]).host == "127.0.0.1"
