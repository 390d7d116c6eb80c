"""xcgraph-evaluate: measure a file of predictions against a data set's test points."""

from dataclasses import dataclass
from pathlib import Path

import hydra
from omegaconf import DictConfig

from xcgraph.cli.check import build
from xcgraph.cli.command import run_command, run_job
from xcgraph.cli.statistics import print_metrics
from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity
from xcgraph.storage.npz import load_csr


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Predictions to measure.

    Attributes:
        data: the data set whose test points were scored.
        predictions: an npz file that ``scipy.sparse.load_npz`` reads: (points, labels) scores.
        top_k: the ranks to report.
    """

    data: XCDataModule
    predictions: str
    top_k: list[int]

    def execute(self) -> dict[str, float]:
        """Return the metrics as fractions.

        Raises:
            UserError: the file is missing, damaged, or of other data, or the data has no test points.
        """
        path = Path(self.predictions)
        try:
            scores = load_csr(path)
        except FileNotFoundError as error:
            raise UserError(f"No file of predictions at {path}: give one with predictions=FILE.") from error
        data = self.data.read()
        if len(data.test) == 0:
            raise UserError(f"{data.name} has no test points: there is nothing to measure.")
        return evaluate_scores(
            scores, data.test, inverse_propensity=training_inverse_propensity(data), ks=self.top_k
        )


def evaluate(config: DictConfig) -> None:
    """Print the table."""
    evaluation: Evaluation = build(config, "evaluate")
    print_metrics(f"{config.predictions} on {config.data.name}, test points", evaluation.execute())


@hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="evaluate")
def _entry(config: DictConfig) -> None:
    run_job(evaluate, config)


def main() -> None:
    """Enter from the console."""
    run_command(_entry)


if __name__ == "__main__":
    main()
