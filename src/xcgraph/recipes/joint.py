"""The joint recipe: encoder, label texts, label graph and free label vectors train together, in one stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from scipy.sparse import csr_array
from torch import Tensor, nn

from xcgraph.data.anchors import AnchorSet
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.recipes.anchors import AnchorSource, NoAnchors, check_anchors
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.label_clusters import build_graph
from xcgraph.recipes.models import Ensemble, Game, Retriever, check_top_k
from xcgraph.recipes.negatives import AutoNegatives, Negatives, SharedNegatives
from xcgraph.recipes.points import PointSelection
from xcgraph.recipes.sizes import DataSizes, check_num_labels, lower
from xcgraph.recipes.workspace import Training, Workspace
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.regularization import NoRegularization, Regularization
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Joint:
    """One stage, in which all labels that a point does not have, or a sample of them, are its negatives.

    ECLARE freezes its token embeddings after a surrogate task, and trains a label only on the points whose
    shortlists include it. Here, each step also trains the token embeddings to distinguish a label from all
    others.

    Attributes:
        graph: builds the label correlation graph.
        points: chooses the points to train on.
        negatives: chooses the labels that the points of a batch are scored against.
        network: encoder, propagation, fusion, refinement and likelihood.
        stage: how to train.
        top_k: maximum number of predictions per point.
        anchors: anchors of the regularizer.
        regularizer: adds graph regularizers, such as RAMEN's, to the loss.
        num_models: number of models to average; each has its own random numbers.
        game_mix: weight of a model's graph-expanded scores (GAME ii).
    """

    graph: LabelGraph
    points: PointSelection
    negatives: Negatives | AutoNegatives
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
        """Check all parts for this number of labels, before any data is read.

        Raises:
            UserError: a part refuses a value, or there are no labels.
        """
        check_num_labels(num_labels)
        check_anchors(self.anchors, self.regularizer)
        recipe, _ = self.sized(DataSizes(num_points=1, num_labels=num_labels))
        self.stage.check(recipe.network.check())

    def sized(self, sizes: DataSizes) -> tuple["Joint", tuple[str, ...]]:
        """Return the recipe with settings that fit the data, and the changes for the log."""
        recipe, changes = lower(self, "top_k", sizes.num_labels, key="recipe.top_k")
        negatives = self.negatives
        if isinstance(negatives, AutoNegatives):
            negatives, choice = negatives.choose(sizes.num_labels, self.stage.batch_size)
            changes = (*changes, choice)
        is_sampled = isinstance(negatives, SharedNegatives)
        if isinstance(negatives, SharedNegatives):
            negatives, fewer = lower(
                negatives, "num_negatives", sizes.num_labels, key="negatives.num_negatives"
            )
            changes = (*changes, *fewer)
        network = replace(
            self.network, refinement=_with_gradients(self.network.refinement, is_sparse=is_sampled)
        )
        return replace(recipe, negatives=negatives, network=network), changes

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs of each training, by name and in order."""
        return {_name(number): self.stage.max_epochs for number in range(self.num_models)}

    def fit(self, work: Workspace) -> Ensemble:
        """Train all models; take from the workspace's store what it already has."""
        self.check(work.num_labels)
        recipe, _ = self.sized(work.sizes)
        return recipe._fit(work)

    def _fit(self, work: Workspace) -> Ensemble:
        graph = work.keep_matrix("graph", build_graph, graph=self.graph, encoder=None)
        points = work.derive("points", _select_points, selection=self.points, graph=graph)
        anchors = work.derive("anchors", _extend_anchors, source=self.anchors, selection=self.points)
        game = Game(graph.value, self.game_mix) if self.game_mix else None
        tasks = (self._train(work, _name(n), graph, points, anchors) for n in range(self.num_models))
        return Ensemble(
            tuple(
                Retriever(
                    task=task, stage=self.stage, num_labels=work.num_labels, top_k=self.top_k, game=game
                )
                for task in tasks
            )
        )

    def _train(
        self,
        work: Workspace,
        name: str,
        graph: Keyed[csr_array],
        points: Keyed[Split],
        anchors: Keyed[Sequence[AnchorSet]],
    ) -> XCTask:
        task = work.keep_task(
            name,
            _training,
            stage=self.stage,
            network=self.network,
            graph=graph,
            points=points,
            negatives=self.negatives,
            anchors=anchors,
            regularizer=self.regularizer,
        )
        return task.value


def _with_gradients(
    refinement: Callable[[Tensor], nn.Module], *, is_sparse: bool
) -> Callable[[Tensor], nn.Module]:
    """Decide between sparse and dense gradients if the user has left it open with ``sparse_gradients=None``.

    Sparse gradients pay off if a step scores a sample of the labels.
    """
    if isinstance(refinement, partial) and refinement.keywords.get("sparse_gradients", False) is None:
        # A partial of Hydra's own kind of partial would be nested, and an artifact's key cannot describe it.
        keywords = {**refinement.keywords, "sparse_gradients": is_sparse}
        return partial(refinement.func, *refinement.args, **keywords)
    return refinement


def _name(number: int) -> str:
    """Return the name of a model's training, which sets its seed: the first model equals a single one."""
    return f"joint-{number}" if number else "joint"


def _select_points(work: Workspace, *, selection: PointSelection, graph: csr_array) -> Split:
    return selection.select(work.train, work.label_features, graph)


def _extend_anchors(
    work: Workspace, *, source: AnchorSource, selection: PointSelection
) -> Sequence[AnchorSet]:
    return selection.extend_anchors(source.find(work))


def _training(
    work: Workspace,
    *,
    network: LabelNetwork,
    graph: csr_array,
    points: Split,
    negatives: Negatives,
    anchors: Sequence[AnchorSet],
    regularizer: Regularization,
) -> Training[XCTask]:
    labels = LabelInputs(work.label_features, graph)
    task = network.build(labels, work.positive_rate(work.num_labels))
    return Training(
        task=regularizer.add_to(task, anchors, work.label_features),
        train=negatives.make_batches(points, work.seed_for("negatives")),
        valid=AllLabelsDataset(work.valid),
        metrics=work.label_metrics(),
    )
