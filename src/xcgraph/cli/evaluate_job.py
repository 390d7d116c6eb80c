"""The job of xcgraph-evaluate: read predictions and data, and print the metrics."""

from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from xcgraph.cli.check import build
from xcgraph.cli.places import settle_paths
from xcgraph.cli.statistics import print_metrics
from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity
from xcgraph.storage.npz import load_csr
from xcgraph.storage.user_paths import expand_home


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measures predictions.

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
            UserError: the file is missing, damaged or made for other data, or the data has no test points.
        """
        path = expand_home(self.predictions)
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
    """Print the metrics."""
    written = ("converted",) if "cache" in config.data else ()
    settled = settle_paths(config, written=written)
    evaluation: Evaluation = build(settled, HydraConfig.get().overrides.task)
    print_metrics(f"{config.predictions} on {config.data.name}, test points", evaluation.execute())
