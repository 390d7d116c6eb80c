"""Run the steps of a recipe one at a time: the data, its artifacts, the loaders and prediction."""

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
    """Stop the process after its step; carries the step's name and times.

    It is no ``Exception``, so that ``except Exception`` in the recipe does not catch it.
    """


class OneStepStore(ArtifactStore):
    """Artifact store that builds the first missing artifact and then raises ``StepDone``.

    Args:
        root: folder of the store.
        runs: number of timed builds, if they fit into ``seconds``.
        seconds: time limit for all builds.
    """

    def __init__(self, root: Path, runs: int = 1, seconds: float = 0.0) -> None:
        super().__init__(root)
        self._runs, self._seconds = runs, seconds

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return an existing artifact, or build a missing one and raise ``StepDone``.

        Repeated builds of a training continue from the weights of the build before; this does not change the
        time of an epoch.
        """
        took: list[Took] = []

        def build_repeatedly(folder: Path) -> None:
            def build_from_scratch() -> None:
                for path in folder.iterdir():
                    path.unlink()
                build(folder)

            took.extend(repeat_within(build_from_scratch, self._runs, self._seconds))

        artifact = super().make(name, inputs, build_repeatedly)
        if took:
            raise StepDone(name, took)
        return artifact


def run_step(run: Run, folder: Path, runs: int, seconds: float) -> None:
    """Run the first step that has no result yet.

    Raises:
        StepDone: always, unless all steps are done.
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
    """Read the data; the first read is a separate step, which converts text to memory-mapped rows."""
    marker, found = folder / "read", []
    took = timed(lambda: found.append(run.data.read()))
    if not marker.exists():
        marker.touch()
        raise StepDone("read", [took])
    data: XCData = found[0]
    return data


def _loaders(work: Workspace, model: Ensemble, store: ArtifactStore) -> dict[str, Callable[[], object]]:
    """Return tasks that load all batches of an epoch: points only, and points with shortlists of tree 0."""
    tree = model.members[0]
    beams = Beams(**load_arrays(store.used["tree-0-beams-train"].path("arrays.npz")))
    points = {
        "loader-points": AllLabelsDataset(work.train),
        "loader-shortlists": shortlist(work.train, tree.shortlister, beams),
    }
    size = tree.ranker.stage.batch_size

    def load_all(targets: AllLabelsDataset) -> Callable[[], object]:
        return lambda: sum(1 for _ in batch_loader(targets, batch_size=size, shuffle_seed=0))

    return {name: load_all(targets) for name, targets in points.items()}


def measure_step(run: Run, folder: Path, runs: int, seconds: float) -> tuple[str, list[Took]]:
    """Run the first step that has no result yet; return its name and the time of each run."""
    try:
        run_step(run, folder, runs, seconds)
    except StepDone as step:
        name, took = step.args
        return name, took
    raise AssertionError(f"{folder}: all steps are already done.")
