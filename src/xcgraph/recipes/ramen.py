"""Recipes in the style of RAMEN (Mittal et al., WWW Companion'25), whose authors have published no code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from xcgraph.data.anchors import AnchorSet
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.errors import UserError
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.anchors import AnchorSource, check_anchors, find_anchors
from xcgraph.recipes.eclare import Eclare
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.models import Retriever, check_top_k
from xcgraph.recipes.positives import Positives
from xcgraph.recipes.sizes import DataSizes, check_num_labels, lower
from xcgraph.recipes.workspace import Training, Workspace
from xcgraph.tasks.dual_task import DualNetwork, DualTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Ramen:
    """RAMEN-style: a dual encoder that graphs regularize in training; predictions need no graph.

    Attributes:
        anchors: finds anchors, and links points and labels to them.
        positives: decides which labels count as positives.
        network: encoder, loss, regularizer and retrieval.
        stage: how to train.
        top_k: maximum number of predictions per point.
    """

    anchors: AnchorSource
    positives: Positives
    network: DualNetwork
    stage: Stage
    top_k: int = 100

    def __post_init__(self) -> None:
        check_top_k(self.top_k)

    def check(self, num_labels: int) -> None:
        """Check all parts for this number of labels, before any data is read.

        Raises:
            UserError: a part refuses a value, or there are no labels.
        """
        check_num_labels(num_labels)
        check_anchors(self.anchors, self.network.regularizer)
        self.positives.check(self.anchors)
        smallest = self.network.check()
        self.stage.check(smallest)
        if self.anchors.sums_texts and not smallest.encoder.encoder.is_additive:
            raise UserError(
                "anchors=metadata: the text of an anchor is a sum of texts, which this encoder cannot embed; "
                "choose anchors=label_graph or encoder=bag_of_tokens."
            )

    def sized(self, sizes: DataSizes) -> tuple["Ramen", tuple[str, ...]]:
        """Return the recipe with settings that fit the data, and the changes for the log."""
        return lower(self, "top_k", sizes.num_labels, key="recipe.top_k")

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs of the training, by its name."""
        return {"dual-encoder": self.stage.max_epochs}

    def fit(self, work: Workspace) -> Retriever:
        """Train the dual encoder; take from the workspace's store what it already has."""
        self.check(work.num_labels)
        recipe, _ = self.sized(work.sizes)
        task = recipe._dual_encoder(work).value
        return Retriever(task=task, stage=self.stage, num_labels=work.num_labels, top_k=recipe.top_k)

    def encoder(self, work: Workspace) -> Keyed[Encoder]:
        """Train the dual encoder and return its encoder, for a ranker on its embeddings."""
        return self._dual_encoder(work).map(_encoder_of)

    def _dual_encoder(self, work: Workspace) -> Keyed[DualTask]:
        return work.keep_task(
            "dual-encoder",
            _training,
            stage=self.stage,
            network=self.network,
            anchors=find_anchors(work, self.anchors),
            positives=self.positives,
        )


def _training(
    work: Workspace, *, network: DualNetwork, anchors: Sequence[AnchorSet], positives: Positives
) -> Training[DualTask]:
    targets = positives.targets(work.train.labels, anchors)
    return Training(
        task=network.build(work.label_features, targets, anchors),
        train=AllLabelsDataset(work.train),
        valid=AllLabelsDataset(work.valid),
        metrics=work.label_metrics(),
    )


def _encoder_of(task: DualTask) -> Encoder:
    return task.encoder.encoder


AnyRankedRamen = TypeVar("AnyRankedRamen", bound="RankedRamen")


@dataclass(frozen=True, kw_only=True)
class RankedRamen(Eclare):
    """Modules II to IV of ECLARE on the embeddings of a dual encoder, which replaces Module I.

    Attributes:
        dual_encoder: trains the token embeddings.
    """

    dual_encoder: Ramen

    def check(self, num_labels: int) -> None:
        """Check all parts for this number of labels, before any data is read."""
        super().check(num_labels)
        self.dual_encoder.check(num_labels)

    def sized(self: AnyRankedRamen, sizes: DataSizes) -> tuple[AnyRankedRamen, tuple[str, ...]]:
        """Return the recipe with settings that fit the data, and the changes for the log."""
        recipe, changes = super().sized(sizes)
        dual_encoder, _ = self.dual_encoder.sized(sizes)  # only its embeddings are used
        return replace(recipe, dual_encoder=dual_encoder), changes

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs of each training, by name and in order."""
        after = super().epochs()
        del after["surrogate"]
        return {**self.dual_encoder.epochs(), **after}

    def surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Train the dual encoder in place of Module I."""
        return self.dual_encoder.encoder(work)
