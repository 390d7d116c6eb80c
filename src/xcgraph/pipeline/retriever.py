"""A trained task that ranks all labels at once, without a shortlist."""

from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.data.batching import FullTargets
from xcgraph.pipeline.shortlister import unlabelled
from xcgraph.pipeline.stage import Stage
from xcgraph.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Retriever:
    """A trained task that ranks all labels.

    Attributes:
        task: ranks labels.
        stage: knows how to predict.
        num_labels: how many labels there are.
        top_k: predictions per point.
    """

    task: Task
    stage: Stage
    num_labels: int
    top_k: int

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, for the best labels."""
        return self.stage.predict(self.task, FullTargets(unlabelled(features, self.num_labels)), self.top_k)
