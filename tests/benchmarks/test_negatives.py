"""Tests of the benchmark of negatives in the joint recipe."""

import pytest

from benchmarks import negatives
from benchmarks.process import compose_run, workspace
from xcgraph.storage.artifacts import ArtifactStore

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = ["encoder.dim=4", "stages.joint.batch_size=16", "num_threads=1"]


@pytest.mark.parametrize("labels", negatives.LABELS)
@pytest.mark.parametrize("experiment", negatives.KINDS.values())
def test_every_size_composes_to_a_valid_run(experiment, labels, tmp_path):
    run = compose_run([*experiment, *negatives.sizes(labels), *FEW], tmp_path)
    run.recipe.check(run.data.sizes.labels)
    assert run.data.sizes.labels == labels
    assert run.data.sizes.train_points == pytest.approx(2.25 * labels, rel=1e-3)


def test_kinds_are_measured_tabulated_and_plotted(tmp_path):
    found = {}
    for kind, experiment in negatives.KINDS.items():
        found[kind] = {}
        for labels in (128, 256):
            few = FEW if kind == "all labels" else [*FEW, "negatives.num_negatives=8"]
            overrides = [*experiment, *negatives.sizes(labels), *few]
            run = compose_run([*overrides, "data.sizes.tokens=600"], tmp_path)
            work = workspace(run, run.data.read(), ArtifactStore(tmp_path / "artifacts"))
            found[kind][labels] = negatives.measure(run.recipe, work, steps=1)
    negatives.plot(found, tmp_path / "negatives.svg")

    assert [each["scored"] for each in found["all labels"].values()] == [128, 256]
    assert max(each["scored"] for each in found["shared negatives"].values()) < 128
    assert min(min(each.values()) for of_kind in found.values() for each in of_kind.values()) > 0
    assert len(negatives.table(found).splitlines()) == 2 + 2 * 3
    assert (tmp_path / "negatives.svg").read_bytes().startswith(b"<?xml")
