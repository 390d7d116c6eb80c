import json
from dataclasses import replace

import numpy as np
import pytest

from xcgraph.artifacts import save_csr
from xcgraph.cli.evaluate import Evaluation
from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError
from xcgraph.pipeline.run import Run, Validation

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


class WithoutTestPoints(XCDataModule):
    def __init__(self, data):
        super().__init__(name=data.name, propensity_a=0.55, propensity_b=1.5)
        self.data = replace(data, test=data.test.take(np.empty(0, np.int64)))

    def read(self):
        return self.data


def test_without_test_points_there_are_metrics_of_validation_points_alone(toy, tmp_path):
    (tmp_path / "run").mkdir()
    run = Run(
        data=WithoutTestPoints(toy.data),
        recipe=toy.recipe(),
        validation=Validation(fraction=0.2),
        seed=0,
        num_threads=1,
        artifacts=str(tmp_path / "artifacts"),
        folder=str(tmp_path / "run"),
    )
    metrics = run.execute()
    assert metrics["test"] == {}
    assert metrics["validation"]["P@1"] > 0.1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == {"data": "toy", **metrics}


def test_without_test_points_there_is_nothing_to_evaluate(toy, tmp_path):
    data = WithoutTestPoints(toy.data)
    save_csr(tmp_path / "scores.npz", data.read().test.labels)
    evaluation = Evaluation(data=data, predictions=str(tmp_path / "scores.npz"), top_k=[1])
    with pytest.raises(UserError, match="toy has no test points"):
        evaluation.execute()
