"""Run folders of the toy dataset as xcgraph-train writes them, made without training."""

import json

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_array

from xcgraph.data.holdout import hold_out_rows
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity
from xcgraph.runs.folder import ViewWeights
from xcgraph.sparse import retain_top_k
from xcgraph.storage.artifacts import save_arrays, save_csr

CURVES = "epoch,lr,seconds,val/P@1\n1,0.01,{0},0.1\n2,0.005,{0},0.2\n"


def fingerprints(data):
    return {"fingerprint": data.fingerprint, "truth": data.labels_fingerprint}


class RunMaker:
    """Writes finished run folders."""

    def __init__(self, toy, root):
        self.data, self.graph, self.root = toy.data, toy.graph, root

    def make(self, name="eclare", seed=0, *, skill=0.5, folder=None, facts=None, **settings):
        """Write a run whose predictions give true labels a high score with probability ``skill``."""
        path = self.root / (folder or f"{name}-{seed}-{len(list(self.root.glob('*')))}")
        path.mkdir(parents=True)
        data = {"_target_": "toy", "name": "toy", "propensity_a": 0.55, "propensity_b": 1.5}
        graph = {"num_neighbors": 4, **settings.pop("graph", {})}
        validation = {"fraction": 0.2, "seed": 0}
        config = {"data": data, "name": name, "seed": seed, "graph": graph, "hops": 1, **settings}
        (path / "config.yaml").write_text(yaml.safe_dump({**config, "validation": validation}))
        scores = self.predict(skill, seed)
        save_csr(path / "predictions.npz", scores)
        weights = training_inverse_propensity(self.data)
        test = evaluate_scores(scores, self.data.test, inverse_propensity=weights)
        (path / "metrics.json").write_text(json.dumps({"data": "toy", "validation": test, "test": test}))
        known = {"data": {"name": "toy", **fingerprints(self.data)}, "seconds": 60.0}
        known |= {"versions": {"xcgraph": "0.1.0", "torch": "2.9"}, "peak_memory_mib": 100, "python": "3.11"}
        (path / "run.json").write_text(json.dumps({**known, **(facts or {})}))
        self._stages(path)
        return path

    def predict(self, skill, seed):
        rng = np.random.default_rng([seed, int(skill * 100)])
        labels = self.data.test.labels
        scores = rng.random(labels.shape) + labels.toarray() * (rng.random(labels.shape) < skill)
        return retain_top_k(csr_array(scores.astype(np.float32)), 10)

    def _stages(self, path):
        stages = path / "stages"
        for stage in (
            "graph",
            "graph-surrogate",
            "surrogate",
            "tree-0-ranker",
            "tree-0-clusters",
            "tree-0-beams-valid",
        ):
            (stages / stage).mkdir(parents=True)
        for stage in ("graph", "graph-surrogate"):
            save_csr(stages / stage / "matrix.npz", self.graph)
        for stage, seconds in (("surrogate", 2.0), ("tree-0-ranker", 3.5)):
            (stages / stage / "curves.csv").write_text(CURVES.format(seconds))
        clusters = np.arange(self.data.num_labels, dtype=np.int32) // 5
        save_arrays(stages / "tree-0-clusters" / "arrays.npz", assignment=clusters)
        held = hold_out_rows(len(self.data.train), 0.2, 0)[1]
        beams = np.tile(np.arange(6, dtype=np.int32), (len(held), 1))
        save_arrays(
            stages / "tree-0-beams-valid" / "arrays.npz", meta_labels=beams, log_probability=beams * 0.0
        )


class ToySources:
    """Sources of a report, without reading configs."""

    def __init__(self, data):
        self._data = data

    def data(self, run):
        del run
        return self._data

    def test_texts(self, run):
        del run
        return [f"text of point {point}" for point in range(len(self._data.test))]

    def view_weights(self, run, labels):
        del run
        return ViewWeights(views=("text", "graph", "refinement"), shares=[[0.5, 0.3, 0.2]] * len(labels))


@pytest.fixture
def run_maker(toy, tmp_path):
    return RunMaker(toy, tmp_path / "runs")


@pytest.fixture
def sources(toy):
    return ToySources(toy.data)
