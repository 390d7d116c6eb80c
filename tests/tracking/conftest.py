"""Reads back what W&B recorded offline, and keeps the tests away from the user's own W&B settings."""

import json
import os
import struct
import time
from dataclasses import dataclass, field

import pytest
from wandb.proto import wandb_internal_pb2

_BLOCK = 1 << 15


def read_records(path):
    """Parse a .wandb file: a header of 7 bytes, then LevelDB's log format with one Record per entry."""
    content, entry, start = path.read_bytes(), b"", 7
    while start + 7 <= len(content):
        rest = _BLOCK - start % _BLOCK
        if rest < 7:
            start += rest
            continue
        _, length, kind = struct.unpack("<IHB", content[start : start + 7])
        entry += content[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):  # a whole entry, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(entry)
            entry = b""
            yield record


def _pairs(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@dataclass
class Recorded:
    """One W&B run: header, config, history rows, summary, artifacts by type, metric axes, exit codes."""

    run: object = None
    config: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)
    steps: dict = field(default_factory=dict)
    exit_codes: list = field(default_factory=list)

    def curve(self, name):
        """Return the values of a metric by the epoch of its stage."""
        stage = name.partition("/")[0]
        return {row[f"{stage}/epoch"]: row[name] for row in self.history if name in row}


def read_run(path):
    found = Recorded()
    for record in read_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            found.config.update(_pairs(record.run.config.update))
        elif kind == "history":
            found.history.append(_pairs(record.history.item))
        elif kind == "summary":
            found.summary.update(_pairs(record.summary.update))
        elif kind == "metric":
            found.steps[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            _add_artifact(found, record.request.log_artifact.artifact)
        elif kind == "artifact":
            _add_artifact(found, record.artifact)
        elif kind == "exit":
            found.exit_codes.append(record.exit.exit_code)
    return found


def _add_artifact(found, artifact):
    found.artifacts[artifact.type] = sorted(entry.path for entry in artifact.manifest.contents)


@pytest.fixture
def recorded():
    """Return a function that reads all W&B runs below a folder; each run has one file.

    A separate W&B process writes the files. On a busy machine it may close them after ``finish`` returned.
    """

    def read(folder):
        deadline = time.monotonic() + 60
        while True:
            runs = [read_run(path) for path in sorted(folder.rglob("*.wandb"))]
            if all(run.exit_codes for run in runs) or time.monotonic() > deadline:
                return runs
            time.sleep(0.2)

    return read


@pytest.fixture(autouse=True)
def clean_wandb_environment(monkeypatch, tmp_path):
    """Remove the user's key and settings, and keep W&B's files inside the test's folder."""
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
