"""A Weights & Biases run per run of ours."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from xcgraph.errors import UserError
from xcgraph.tracking.tracker import RunEnd, RunStart

_log = logging.getLogger(__name__)

_LONGEST_TAG = 64  # W&B takes no longer one


class WandbTracker:
    """Tells Weights & Biases: config, metrics by stage and epoch, final table, predictions and weights.

    Keys, hosts and modes are those of the user's environment (``WANDB_API_KEY``, ``WANDB_MODE``, …); without
    a key the run is recorded offline.

    Args:
        project: the project's name.
        group: of the run; None for the id of its sweep.
        artifacts: whether predictions and weights are uploaded too.
    """

    def __init__(self, project: str = "xcgraph", group: str | None = None, artifacts: bool = True) -> None:
        self._project, self._group, self._artifacts = project, group, artifacts
        self._run: Any = None
        self._start: RunStart | None = None
        self._stages: set[str] = set()

    def start(self, run: RunStart) -> None:
        """Begin a W&B run.

        Raises:
            UserError: W&B refuses.
        """
        import wandb  # takes a second, which nobody else should pay

        self._start = run
        try:
            self._run = wandb.init(
                project=self._project,
                group=self._group or run.group,
                job_type=run.job_type,
                name=run.name,
                tags=[tag[:_LONGEST_TAG] for tag in run.tags],
                config=dict(run.config),
                dir=run.folder,
                mode=_mode(),
                reinit="finish_previous",  # nobody else's run may get our metrics
                settings=wandb.Settings(console="off"),  # it would take the terminal from the progress bar
            )
        except wandb.Error as error:
            raise UserError(f"W&B: {error} Set WANDB_MODE=offline or take logger=csv.") from error

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Add an epoch; the epochs of each stage are an axis of their own."""
        if stage not in self._stages:
            self._stages.add(stage)
            self._run.define_metric(f"{stage}/epoch")
            self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        self._run.log({f"{stage}/{name}": value for name, value in row.items()})

    def finish(self, end: RunEnd) -> None:
        """End the W&B run, whatever happens, with the exit code of ours."""
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

        rows = [(split, name, value) for split, part in metrics.items() for name, value in part.items()]
        self._run.summary.update({f"{split}/{name}": value for split, name, value in rows})
        self._run.log(
            {"metrics": wandb.Table(columns=["points", "metric", "value"], data=list(map(list, rows)))}
        )
        if self._artifacts and self._start is not None:
            folder = self._start.folder
            weights = {
                f"{file.parent.name}/{file.name}": file for file in folder.glob("stages/*/weights.ckpt")
            }
            for kind, files in (
                ("predictions", {"predictions.npz": folder / "predictions.npz"}),
                ("model", {"config.yaml": folder / "config.yaml", **weights}),
            ):
                artifact = wandb.Artifact(f"{kind}-{self._run.id}", type=kind)
                for name, file in files.items():
                    # Not copied before they are uploaded: finished files do not change.
                    artifact.add_file(str(file), name=name, policy="immutable")
                self._run.log_artifact(artifact)


def _mode() -> Any:  # noqa: ANN401 - W&B's literals
    """Choose offline without a key, where W&B would ask for one; None leaves the choice to its settings."""
    import wandb

    if "WANDB_MODE" in os.environ:
        return os.environ["WANDB_MODE"]
    if wandb.setup().settings.mode != "online" or wandb.login(prompt=False):
        return None
    _log.info("No W&B API key: the run is recorded offline; wandb login, then wandb sync, uploads it.")
    return "offline"
