"""What a composed config and Hydra tell of a run: its command, and what a tracker calls it."""

import shlex
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.sweep import ASIDE, current_sweep
from xcgraph.pipeline.provenance import Origin
from xcgraph.tracking.tracker import RunStart


def find_origin() -> Origin:
    """Describe the command of this job; of a sweep's cell, the one that runs it alone."""
    hydra = HydraConfig.get()
    overrides = tuple(hydra.overrides.task)
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    options = [part for folder in folders for part in ("--config-dir", folder)]
    return Origin(command=shlex.join(["xcgraph-train", *options, *overrides]), overrides=overrides)


def describe_start(config: DictConfig, folder: str) -> RunStart:
    """Tell a tracker what begins: tags are the overrides that a result depends on."""
    hydra = HydraConfig.get()
    stripped = (override.lstrip("+~") for override in hydra.overrides.task)
    tags = tuple(tag for tag in stripped if tag.partition("=")[0].partition(".")[0] not in ASIDE)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    del plain["run"]  # it says all of it once more
    return RunStart(
        name=" ".join([config.name, *tags]),
        group=current_sweep(),
        job_type=str(hydra.runtime.choices.get("experiment")),
        tags=tags,
        config=plain,
        folder=Path(folder),
    )
