"""The commands for the fault tests: how to run them, their results, and the stage that a kill interrupted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.forked import fork_script, log_of

_SIZES = {"train_points": 600, "test_points": 100, "labels": 150, "tokens": 400, "topics": 20}
_SHARED = (
    "data=synthetic",
    *(f"data.sizes.{name}={value}" for name, value in _SIZES.items()),
    "num_threads=1",
    "encoder.dim=16",
    "progress=quiet",
)


def _stages(*names: str) -> tuple[str, ...]:
    return tuple(f"stages.{name}.{value}" for name in names for value in ("batch_size=64", "max_epochs=3"))


SYNTHETIC = (
    *_SHARED,
    "num_trees=1",
    "shortlister.beam_size=8",
    "ranker.top_k=40",
    *_stages("surrogate", "shortlister", "ranker"),
)
_SHORT = (*SYNTHETIC, *(f"stages.{stage}.max_epochs=1" for stage in ("surrogate", "shortlister", "ranker")))
# Names of drafts, unfinished folders, locks and temporary folders.
_LEFT_BEHIND = re.compile(r"\.partial$|\.lock(\.|$)|^\..+\.\d+$|^xcgraph-")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that is killed and repeated.

    Attributes:
        name: name in tables.
        script: name of the console script without ``xcgraph-``.
        arguments: arguments of the script.
        results: patterns of the files that must be equal to the bit.
        before: runs that the command needs, as arguments of xcgraph-train.
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    before: Sequence[tuple[str, ...]] = ()

    def prepare(self, folder: Path) -> None:
        """Make a folder with the inputs of the command and a folder for temporary files."""
        (folder / "tmp").mkdir(parents=True)
        for arguments in self.before:
            if fork_script("train", arguments, folder).wait():
                raise RuntimeError(f"{self.name}: the preparation failed, see {log_of(folder)}.")

    def found(self, folder: Path) -> dict[str, bytes]:
        """Return the content of the results in finished folders, by path without times."""
        files = (path for pattern in self.results for path in sorted(folder.glob(pattern)))
        whole = (path for path in files if path.is_file() and _is_finished(path))
        return {_without_times(path.relative_to(folder)): path.read_bytes() for path in whole}


def _is_finished(path: Path) -> bool:
    """Return whether the run of a file ended: a killed run leaves its folder without metrics.json."""
    run = path.parents[2] if path.parents[1].name == "stages" else path.parent
    return not (run / "config.yaml").exists() or (run / "metrics.json").exists()


def _without_times(path: Path) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "TIME", path.as_posix())


_RUN = ("metrics.json", "predictions.npz", "stages/graph/matrix.npz")


def _training(experiment: str, arguments: Sequence[str] = SYNTHETIC) -> Command:
    results = tuple(f"runs/Synthetic/*/*/{file}" for file in _RUN)
    name = f"train {experiment.rpartition('/')[2]}"
    arguments = (*arguments, f"experiment={experiment}")
    return Command(name=name, script="train", arguments=arguments, results=results)


COMMANDS = (
    _training("eclare"),
    _training("decaf"),
    _training("ramen", (*_SHARED, *_stages("encoder"))),
    _training("ablation/eclare_regularized"),
    _training("joint", (*_SHARED, *_stages("joint"))),
    Command(
        name="graph",
        script="train",
        arguments=(*_SHORT, "graph.walk_length=100000"),
        results=tuple(f"runs/Synthetic/*/*/{file}" for file in _RUN),
    ),
    Command(
        name="sweep",
        script="train",
        arguments=("-m", *_SHORT, "fusion=attention,mean", "ranker.game_mix=0.0,0.5"),
        results=tuple(f"runs/sweeps/*/*/*/{file}" for file in _RUN),
    ),
    Command(
        name="data convert",
        script="data",
        arguments=("convert", "lf_wordnet_8k", "wordnet", "--layout", "split", "--cache", "cache"),
        results=("wordnet/*",),
    ),
    Command(
        name="report",
        script="report",
        arguments=("runs", "--out", "report", "--base", "eclare"),
        results=("report/*", "report/figures/*"),
        before=[(*_SHORT, f"experiment={name}") for name in ("eclare", "decaf")],
    ),
    Command(
        name="export",
        script="export",
        arguments=("runs/run", "--out", "model"),
        results=("model/*",),
        before=[(*_SHORT, "hydra.run.dir=runs/run")],
    ),
)


def stage_of(folder: Path, before: set[Path]) -> str:
    """Return the stage that a killed command was in, judged by the files that it added."""
    temporary = folder / "tmp"
    new = [path for path in folder.rglob("*") if path not in before and temporary not in path.parents]
    unfinished = [path for path in new if path.name.endswith(".partial")]
    if unfinished:
        found = max(unfinished, key=lambda path: path.stat().st_mtime_ns)
        return _stage_name(found)
    finished = [path.parent for path in new if path.name == "manifest.json" and "stages" not in path.parts]
    if any(path.name == "metrics.json" for path in new) and not any("sweeps" in path.parts for path in new):
        return "the end"
    if not finished:
        return "the start"
    newest = max(finished, key=lambda path: (path / "manifest.json").stat().st_mtime_ns)
    return f"after {_stage_name(newest)}"


def _stage_name(folder: Path) -> str:
    name = re.sub(r"-[0-9a-f]{16}$", "", folder.name.removesuffix(".partial").removeprefix("."))
    curves = folder / "curves.csv"
    if folder.name.endswith(".partial") and curves.exists():
        return f"{name}, epoch {len(curves.read_text('utf-8').splitlines())}"
    return name


def left_behind(folder: Path) -> list[str]:
    """List drafts, unfinished folders, locks and temporary folders, which a complete command removes.

    The folder of a killed run is left as it is and may keep a lock or a draft.
    """
    found = (path for path in folder.rglob("*") if _LEFT_BEHIND.search(path.name))
    return sorted(path.relative_to(folder).as_posix() for path in found if not _is_of_killed_run(path))


def _is_of_killed_run(path: Path) -> bool:
    run = path.parent
    return (run / ".hydra").exists() and not (run / "metrics.json").exists()
