"""The steps of a recipe, one at a time: its artifacts, besides data, loaders and prediction."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.clock import Took, repeat_within, timed
from benchmarks.process import workspace
from data_modules.synthetic import Synthetic
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import batch_loader
from xcgraph.data.xc_data import XCData
from xcgraph.recipes.models import Ensemble
from xcgraph.recipes.shortlists import Beams, shortlist
from xcgraph.recipes.workspace import Workspace
from xcgraph.runs.run import Run
from xcgraph.storage.artifacts import Artifact, ArtifactStore
from xcgraph.storage.npz import load_arrays

DONE = "predict"


class StepDone(BaseException):
    """Ends a process whose step is done, with its name and times; no ``except Exception`` stops it."""


class OneStepStore(ArtifactStore):
    """Makes one artifact that is not there yet, and ends the process with it.

    Args:
        root: the folder.
        runs: how often it is made, if it takes no longer.
        seconds: how long all of that may take.
    """

    def __init__(self, root: Path, runs: int = 1, seconds: float = 0.0) -> None:
        super().__init__(root)
        self._runs, self._seconds = runs, seconds

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return an artifact that is there; raise ``StepDone`` after making one that is not.

        Made several times, a training goes on from the weights of the time before: its epochs take as long.
        """
        took: list[Took] = []

        def build_repeatedly(folder: Path) -> None:
            def build_anew() -> None:
                for path in folder.iterdir():
                    path.unlink()
                build(folder)

            took.extend(repeat_within(build_anew, self._runs, self._seconds))

        artifact = super().make(name, inputs, build_repeatedly)
        if took:
            raise StepDone(name, took)
        return artifact


def run_step(run: Run, folder: Path, runs: int, seconds: float) -> None:
    """Make whatever comes next.

    Raises:
        StepDone: always.
    """
    if isinstance(run.data, Synthetic):
        run.data.files(OneStepStore(run.data.cache))
    data = _read(run, folder)
    store = OneStepStore(Path(run.artifacts), runs, seconds)
    work = workspace(run, data, store)
    model = run.recipe.fit(work)
    for name, task in {**_loaders(work, model, store), DONE: lambda: model.score(data.test.features)}.items():
        marker = folder / name
        if not marker.exists():
            took = repeat_within(task, runs, seconds)
            marker.touch()
            raise StepDone(name, took)


def _read(run: Run, folder: Path) -> XCData:
    """Read the data; the first time is a step of its own, in which text becomes memory-mapped rows."""
    marker, found = folder / "read", []
    took = timed(lambda: found.append(run.data.read()))
    if not marker.exists():
        marker.touch()
        raise StepDone("read", [took])
    data: XCData = found[0]
    return data


def _loaders(work: Workspace, model: Ensemble, store: ArtifactStore) -> dict[str, Callable[[], object]]:
    """Cut all batches of an epoch, of points alone and with the shortlists of the first tree."""
    tree = model.members[0]
    beams = Beams(**load_arrays(store.used["tree-0-beams-train"].path("arrays.npz")))
    points = {
        "loader-points": AllLabelsDataset(work.train),
        "loader-shortlists": shortlist(work.train, tree.shortlister, beams),
    }
    size = tree.ranker.stage.batch_size

    def cut(targets: AllLabelsDataset) -> Callable[[], object]:
        return lambda: sum(1 for _ in batch_loader(targets, batch_size=size, shuffle_seed=0))

    return {name: cut(targets) for name, targets in points.items()}


def measure_step(run: Run, folder: Path, runs: int, seconds: float) -> tuple[str, list[Took]]:
    """Make whatever comes next; return its name and what each run took."""
    try:
        run_step(run, folder, runs, seconds)
    except StepDone as step:
        name, took = step.args
        return name, took
    raise AssertionError(f"All steps are done in {folder}.")
