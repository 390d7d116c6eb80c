"""What a W&B run has recorded, read back from its file."""

import json
import struct
import time
from dataclasses import dataclass, field

import pytest
from wandb.proto import wandb_internal_pb2

_BLOCK = 1 << 15


def read_records(path):
    """Parse a .wandb file: LevelDB's log format after a header of 7 bytes, with a Record in each entry."""
    content, entry, start = path.read_bytes(), b"", 7
    while start + 7 <= len(content):
        rest = _BLOCK - start % _BLOCK
        if rest < 7:
            start += rest
            continue
        _, length, kind = struct.unpack("<IHB", content[start : start + 7])
        entry += content[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):  # whole, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(entry)
            entry = b""
            yield record


def _pairs(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@dataclass
class Recorded:
    """One W&B run: its head, history rows, summary, artifacts by type, metric definitions and exit code."""

    run: object = None
    config: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)
    steps: dict = field(default_factory=dict)
    exit_codes: list = field(default_factory=list)

    def curve(self, name):
        """The values of a metric, by the epoch of its stage."""
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
    """All W&B runs below a folder, with one file each.

    W&B writes them in a process of its own, which on a busy machine ends its file after ``finish`` returned.
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
def nobody_logged_in(monkeypatch, tmp_path):
    """No key, whoever runs the tests, and nothing outside of the test's folder."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_RUN_GROUP", "WANDB_SWEEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
