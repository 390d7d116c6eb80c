import json
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch

from xcgraph.cli.evaluate_job import Evaluation
from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError
from xcgraph.runs.run import Run, Validation
from xcgraph.storage.artifacts import save_csr

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


class WithoutTestPoints(XCDataModule):
    def __init__(self, data):
        super().__init__(name=data.name, propensity_a=0.55, propensity_b=1.5)
        self.data = replace(data, test=data.test.take(np.empty(0, np.int64)))

    def read(self):
        return self.data


def run_in(folder, toy, num_threads=1):
    (folder / "run").mkdir()
    return Run(
        data=WithoutTestPoints(toy.data),
        recipe=toy.recipe(),
        validation=Validation(fraction=0.2),
        seed=0,
        num_threads=num_threads,
        artifacts=str(folder / "artifacts"),
        folder=str(folder / "run"),
    )


def test_dataset_without_test_points_has_validation_metrics_only(toy, tmp_path):
    metrics = run_in(tmp_path, toy).execute()
    assert metrics["test"] == {}
    assert metrics["validation"]["P@1"] > 0.1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == {"data": "toy", **metrics}
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    data = WithoutTestPoints(toy.data).read()
    assert facts["data"] == {
        "name": "toy",
        "fingerprint": data.fingerprint,
        "labels": data.labels_fingerprint,
    }


def test_numba_gets_at_most_its_maximum_number_of_threads(toy, tmp_path, monkeypatch):
    """The maximum, from NUMBA_NUM_THREADS or the number of cores, may be less than num_threads."""
    asked = []
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    monkeypatch.setattr(numba, "set_num_threads", asked.append)
    threads = torch.get_num_threads()
    run_in(tmp_path, toy, num_threads=2).execute()
    torch.set_num_threads(threads)
    assert asked == [1]


def test_evaluation_without_test_points_is_refused(toy, tmp_path):
    data = WithoutTestPoints(toy.data)
    save_csr(tmp_path / "scores.npz", data.read().test.labels)
    evaluation = Evaluation(data=data, predictions=str(tmp_path / "scores.npz"), top_k=[1])
    with pytest.raises(UserError, match="toy has no test points"):
        evaluation.execute()
