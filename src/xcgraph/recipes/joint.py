"""The joint recipe: encoder, texts, graph and free vectors of labels learn together, in one stage."""

from collections.abc import Callable
from dataclasses import dataclass, field

from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.recipes.anchors import AnchorSource, NoAnchors, check_anchors
from xcgraph.recipes.models import Ensemble, Game, Retriever, check_top_k
from xcgraph.recipes.negatives import Negatives
from xcgraph.recipes.points import PointSelection
from xcgraph.recipes.workspace import Workspace
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.regularization import NoRegularization, Regularization
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Joint:
    """One stage, in which every label, or a sample of them, is a negative of the points that do not carry it.

    ECLARE freezes its embeddings after a surrogate task and shows a label only the points that shortlist it;
    here, what tells a label from all others trains the embeddings of its text at each step.

    Attributes:
        graph: builds the label correlation graph.
        points: chooses the points to learn from.
        negatives: chooses the labels that they are scored against.
        network: encoder, propagation, fusion, refinement and likelihood.
        stage: how the training goes.
        top_k: predictions per point.
        anchors: of the regularizer.
        regularizer: what graphs add to the loss, such as RAMEN's.
        num_models: how many models, each with random numbers of its own, to average.
        game_mix: share of graph-expanded scores in those of a model (GAME).
    """

    graph: LabelGraph
    points: PointSelection
    negatives: Negatives
    network: LabelNetwork
    stage: Stage
    top_k: int = 100
    anchors: AnchorSource = field(default_factory=NoAnchors)
    regularizer: Regularization = field(default_factory=NoRegularization)
    num_models: int = 1
    game_mix: float = 0.0

    def __post_init__(self) -> None:
        check_top_k(self.top_k)
        if self.num_models < 1:
            raise UserError(f"recipe.num_models must be ≥ 1, got {self.num_models}.")
        if not 0 <= self.game_mix <= 1:
            raise UserError(f"recipe.game_mix must lie in [0, 1], got {self.game_mix}.")

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the number of predictions is too large.
        """
        check_anchors(self.anchors, self.regularizer)
        self.stage.check(self.network.check())
        check_top_k(self.top_k, num_labels)

    def epochs(self) -> dict[str, int]:
        """Return by name, in their order, how many epochs each training takes."""
        return {_name(number): self.stage.max_epochs for number in range(self.num_models)}

    def fit(self, work: Workspace) -> Ensemble:
        """Train everything that is not yet in the workspace's store."""
        self.check(work.num_labels)

        def build_graph() -> csr_array:
            return self.graph.build(work.train.labels, None, work.seed_for("graph"))

        graph = work.keep_matrix("graph", {"graph": self.graph}, build_graph)
        points = self.points.select(work.train, work.label_features, graph.value)
        anchors = self.points.extend_anchors(self.anchors.find(work))

        def build_task() -> XCTask:
            labels = LabelInputs(work.label_features, graph.value)
            task = self.network.build(labels, work.positive_rate(work.num_labels))
            return self.regularizer.add_to(task, anchors, work.label_features)

        game = Game(graph.value, self.game_mix) if self.game_mix else None
        tasks = (self._train(work, graph.key, points, build_task, _name(n)) for n in range(self.num_models))
        return Ensemble(
            tuple(
                Retriever(
                    task=task,
                    stage=self.stage,
                    num_labels=work.num_labels,
                    top_k=self.top_k,
                    game=game,
                )
                for task in tasks
            )
        )

    def _train(
        self, work: Workspace, graph_key: str, points: Split, build: Callable[[], XCTask], name: str
    ) -> XCTask:
        inputs = {
            "graph": graph_key,
            "points": self.points,
            "negatives": self.negatives,
            "network": self.network,
            "anchors": self.anchors,
            "regularizer": self.regularizer,
        }
        batches = self.negatives.make_batches(points, work.seed_for("negatives"))
        fit_on = (batches, AllLabelsDataset(work.valid))
        return work.keep_task(name, inputs, self.stage, build, fit_on, work.label_metrics()).value


def _name(number: int) -> str:
    """Name a model's training. Its random numbers follow from that: the first of many is the single one."""
    return f"joint-{number}" if number else "joint"
