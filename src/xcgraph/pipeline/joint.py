"""The joint recipe: encoder, texts, graph and free vectors of labels learn together, in one stage."""

from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.data.batching import FullTargets
from xcgraph.graph.base import LabelGraph
from xcgraph.pipeline.negatives import Negatives
from xcgraph.pipeline.points import Points
from xcgraph.pipeline.retriever import Retriever, check_top_k
from xcgraph.pipeline.stage import Stage
from xcgraph.pipeline.workspace import Workspace
from xcgraph.tasks.builder import Labels, TaskBuilder


@dataclass(frozen=True, kw_only=True)
class Joint:
    """One stage, in which every label, or a sample of them, is a negative of the points that do not carry it.

    ECLARE freezes its embeddings after a surrogate task and shows a label only the points that shortlist it;
    here, what tells a label from all others trains the embeddings of its text at each step.

    Attributes:
        graph: builds the label correlation graph.
        points: chooses the points to learn from.
        negatives: chooses the labels that they are scored against.
        tasks: encoder, propagation, fusion, refinement and likelihood.
        stage: how the training goes.
        top_k: predictions per point.
    """

    graph: LabelGraph
    points: Points
    negatives: Negatives
    tasks: TaskBuilder
    stage: Stage
    top_k: int = 100

    def __post_init__(self) -> None:
        check_top_k(self.top_k)

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the number of predictions is too large.
        """
        self.stage.check(self.tasks.check())
        check_top_k(self.top_k, num_labels)

    def epochs(self) -> dict[str, int]:
        """Return how many epochs the training takes."""
        return {"joint": self.stage.max_epochs}

    def fit(self, work: Workspace) -> Retriever:
        """Train everything that is not yet in the workspace's store."""
        self.check(work.num_labels)

        def build_graph() -> csr_array:
            return self.graph.build(work.train.labels, None, work.seed_for("graph"))

        graph = work.keep_matrix("graph", {"graph": self.graph}, build_graph)
        points = self.points.of(work.train, work.label_features, graph.value)
        task = work.keep_task(
            "joint",
            {"graph": graph.key, "points": self.points, "negatives": self.negatives, "tasks": self.tasks},
            self.stage,
            lambda: self.tasks.build(
                Labels(work.label_features, graph.value), work.positive_rate(work.num_labels)
            ),
            (self.negatives.of(points, work.seed_for("negatives")), FullTargets(work.valid)),
            work.label_metrics(),
        )
        return Retriever(task=task.value, stage=self.stage, num_labels=work.num_labels, top_k=self.top_k)
