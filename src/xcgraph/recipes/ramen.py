"""A recipe in the style of RAMEN (Mittal et al., WWW Companion'25), whose authors have published no code."""

from dataclasses import dataclass

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.errors import UserError
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.anchors import AnchorSource, check_anchors
from xcgraph.recipes.eclare import Eclare
from xcgraph.recipes.models import Retriever, check_top_k
from xcgraph.recipes.positives import Positives
from xcgraph.recipes.workspace import Keyed, Workspace
from xcgraph.tasks.dual_task import DualNetwork, DualTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Ramen:
    """RAMEN-style: a dual encoder that graphs regularize while it learns, and that needs none afterwards.

    Attributes:
        anchors: finds anchors and links points and labels to them.
        positives: which labels count as positives.
        network: encoder, loss, regularizer and retrieval.
        stage: how the training goes.
        top_k: predictions per point.
    """

    anchors: AnchorSource
    positives: Positives
    network: DualNetwork
    stage: Stage
    top_k: int = 100

    def __post_init__(self) -> None:
        check_top_k(self.top_k)

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the number of predictions is too large.
        """
        check_anchors(self.anchors, self.network.regularizer)
        self.positives.check(self.anchors)
        smallest = self.network.check()
        self.stage.check(smallest)
        if self.anchors.sums_texts and not smallest.encoder.encoder.is_additive:
            raise UserError(
                "Anchors from metadata have sums of texts, which this encoder cannot embed: take "
                "anchors=label_graph or encoder=bag_of_tokens."
            )
        check_top_k(self.top_k, num_labels)

    def epochs(self) -> dict[str, int]:
        """Return how many epochs the training takes."""
        return {"dual-encoder": self.stage.max_epochs}

    def fit(self, work: Workspace) -> Retriever:
        """Train everything that is not yet in the workspace's store."""
        self.check(work.num_labels)
        task = self._dual_encoder(work).value
        return Retriever(task=task, stage=self.stage, num_labels=work.num_labels, top_k=self.top_k)

    def encoder(self, work: Workspace) -> Keyed[Encoder]:
        """Train the dual encoder and return the encoder in it, for a ranker on its embeddings."""
        task = self._dual_encoder(work)
        return Keyed(task.value.encoder.encoder, task.key)

    def _dual_encoder(self, work: Workspace) -> Keyed[DualTask]:
        anchors = self.anchors.find(work)
        positives = self.positives.targets(work.train.labels, anchors)
        return work.keep_task(
            "dual-encoder",
            {"anchors": self.anchors, "positives": self.positives, "network": self.network},
            self.stage,
            lambda: self.network.build(work.label_features, positives, anchors),
            (AllLabelsDataset(work.train), AllLabelsDataset(work.valid)),
            work.label_metrics(),
        )


@dataclass(frozen=True, kw_only=True)
class RankedRamen(Eclare):
    """Modules II to IV of ECLARE after a dual encoder in place of its Module I.

    Attributes:
        dual_encoder: learns the embeddings.
    """

    dual_encoder: Ramen

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained."""
        super().check(num_labels)
        self.dual_encoder.check(num_labels)

    def epochs(self) -> dict[str, int]:
        """Return by name, in their order, how many epochs each training takes."""
        after = super().epochs()
        del after["surrogate"]
        return {**self.dual_encoder.epochs(), **after}

    def surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Learn token embeddings as the dual encoder does."""
        return self.dual_encoder.encoder(work)
