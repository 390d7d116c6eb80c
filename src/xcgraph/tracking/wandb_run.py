"""Follows a run in Weights & Biases."""

import functools
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import write_atomically
from xcgraph.tracking.tracker import RunEnd, RunStart

_log = logging.getLogger(__name__)

# The lengths that W&B's service accepts, in characters.
_MAX_NAME, _MAX_GROUP, _MAX_TAG = 128, 128, 64
# Holds the id of the W&B run, in the run folder. A run that goes on in its folder thus resumes its W&B run,
# and equal folders on two machines do not meet in one.
_ID_FILE = "wandb-run-id"


class WandbTracker:
    """Sends a run to Weights & Biases: config, metrics by stage and epoch, final table, predictions, weights.

    Metrics such as P@1 are sent in percent. Key, host and mode come from the user's environment
    (``WANDB_API_KEY``, ``WANDB_BASE_URL``, ``WANDB_MODE``); without a key the run is recorded offline.

    Args:
        project: name of the W&B project.
        group: W&B group of the run; None for the id of its sweep.
        artifacts: if true, upload predictions and weights too.
    """

    def __init__(self, project: str = "xcgraph", group: str | None = None, artifacts: bool = True) -> None:
        self._project, self._group, self._artifacts = project, group, artifacts
        self._run: Any = None
        self._start: RunStart | None = None
        self._stages: set[str] = set()

    def start(self, run: RunStart) -> None:
        """Begin the W&B run, or resume it if this run folder has one.

        Raises:
            UserError: W&B refuses a setting or cannot start.
        """
        import wandb  # the import takes a second, which runs without W&B should not pay
        from pydantic import ValidationError

        if not self._project:
            raise UserError(
                "logger.project must be the name of a W&B project, got ''. Set it, or unset WANDB_PROJECT."
            )
        self._start = run
        group = self._group or run.group
        try:
            mode = _choose_mode()
            self._run = wandb.init(
                project=self._project,
                group=group and _shorten(group, _MAX_GROUP),
                job_type=run.job_type,
                name=_shorten(run.name, _MAX_NAME),
                tags=[_shorten(tag, _MAX_TAG) for tag in run.tags],
                config=dict(run.config),
                dir=run.folder,
                mode=mode,
                **_choose_id(run, mode),
                reinit="finish_previous",  # metrics of this run must not go into a run that is still open
                settings=wandb.Settings(console="off"),  # capturing the console breaks the progress bar
            )
        except ValidationError as error:
            refused = "; ".join(_describe_setting(each) for each in error.errors())
            raise UserError(f"W&B refuses {refused}. Correct or unset it, or use logger=csv.") from error
        except (wandb.Error, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise UserError(f"W&B: {reason}. Set WANDB_MODE=offline, or use logger=csv.") from error

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Send one epoch; each stage has its own epoch axis."""
        if stage not in self._stages:
            self._stages.add(stage)
            self._run.define_metric(f"{stage}/epoch")
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        self._run.log({f"{stage}/{name}": _percent(name, value) for name, value in row.items()})

    def finish(self, end: RunEnd) -> None:
        """Finish the W&B run with the exit code of this run, even if sending the results fails."""
        if self._run is None:
            return
        exit_code = 1
        try:
            if end.error is None:
                self._log_results(end.metrics)
            else:
                self._run.summary["error"] = end.error
            exit_code = end.exit_code
        finally:
            self._run.finish(exit_code=exit_code)
            self._run = None

    def _log_results(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        import wandb

        rows = [
            (split, name, _percent(name, value))
            for split, part in metrics.items()
            for name, value in part.items()
        ]
        if self._run.summary.get("error") is not None:  # from an earlier try that this run has resumed
            del self._run.summary["error"]
        self._run.summary.update({f"{split}/{name}": value for split, name, value in rows})
        table = wandb.Table(columns=["points", "metric", "percent"], data=list(map(list, rows)))
        self._run.log({"metrics": table})
        if self._start is None:
            return
        self._run.summary.update(_read_provenance(self._start.folder))
        if self._artifacts:
            self._log_artifacts(self._start.folder)

    def _log_artifacts(self, folder: Path) -> None:
        import wandb

        weights = {f"{file.parent.name}/{file.name}": file for file in folder.glob("stages/*/weights.ckpt")}
        for kind, files in (
            ("predictions", {"predictions.npz": folder / "predictions.npz"}),
            ("model", {"config.yaml": folder / "config.yaml", **weights}),
        ):
            artifact = wandb.Artifact(f"{kind}-{self._run.id}", type=kind)
            for name, file in files.items():
                # Finished files do not change, so W&B need not copy them before the upload.
                artifact.add_file(str(file), name=name, policy="immutable")
            self._run.log_artifact(artifact)


def _choose_mode() -> Any:  # noqa: ANN401 - W&B accepts a few literals
    """Return the mode of the user's settings; without a key, return offline instead of asking for one."""
    import wandb

    if "WANDB_MODE" in os.environ:
        return os.environ["WANDB_MODE"]
    mode = wandb.setup().settings.mode
    if mode != "online" or wandb.login(prompt=False):
        return mode
    _log.info("No W&B API key: recording the run offline. Upload it with wandb login, then wandb sync.")
    return "offline"


def _choose_id(run: RunStart, mode: str) -> dict[str, Any]:
    """Return the id of the W&B run and whether to resume it.

    ``WANDB_RUN_ID`` applies to a single run. In a sweep all cells would become one W&B run, so it is ignored.
    """
    from_environment = os.environ.get("WANDB_RUN_ID")
    if from_environment is not None:
        if run.group is None:
            return {"id": from_environment}
        _warn_of_shared_id(from_environment)
    file = run.folder / _ID_FILE
    try:
        run_id = file.read_text("utf-8").strip()
    except FileNotFoundError:
        run_id = ""
    if not run_id:
        run_id = secrets.token_hex(8)
        write_atomically(file, run_id)
    # W&B warns of resume where it records offline; wandb sync puts runs with equal ids together anyway.
    return {"id": run_id, "resume": "allow" if mode in ("online", "run", "shared") else None}


@functools.cache  # once per process, not once per cell
def _warn_of_shared_id(run_id: str) -> None:
    _log.warning("WANDB_RUN_ID=%s is ignored in a sweep: each cell has its own W&B run.", run_id)


def _shorten(text: str, max_length: int) -> str:
    """Return a text of at most ``max_length`` characters; a hash keeps shortened texts distinct."""
    if len(text) <= max_length:
        return text
    suffix = f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return text[: max_length - len(suffix)] + suffix


def _describe_setting(refusal: Mapping[str, Any]) -> str:
    """Return a setting that W&B refused, by its environment variable if it comes from one, and the rule."""
    setting = ".".join(map(str, refusal["loc"]))
    names = (f"WANDB_{setting.upper()}", f"WANDB_{setting.removeprefix('run_').upper()}")
    name = next((name for name in names if name in os.environ), f"setting {setting}")
    value = os.environ.get(name, refusal["input"])
    return f"{name}={value!r}: {refusal['msg']}"


def _percent(name: str, value: float) -> float:
    """Return a ranking metric such as ``val/P@1`` in percent, and any other value as it is."""
    return 100 * value if "@" in name else value


def _read_provenance(folder: Path) -> dict[str, Any]:
    """Return commit, fingerprint of the data, seconds and peak memory from ``run.json``, if it has them."""
    try:
        facts = json.loads((folder / "run.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    found = {
        "commit": (facts.get("git") or {}).get("commit"),
        "data_fingerprint": (facts.get("data") or {}).get("fingerprint"),
        "seconds": facts.get("seconds"),
        "peak_memory_mib": facts.get("peak_memory_mib"),
    }
    return {name: value for name, value in found.items() if value is not None}
