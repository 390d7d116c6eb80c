"""A recipe in the style of RAMEN (Mittal et al., WWW Companion'25), whose authors have published no code."""

from dataclasses import dataclass

from xcgraph.data.batching import FullTargets
from xcgraph.errors import UserError
from xcgraph.nn.encoder import Encoder
from xcgraph.pipeline.anchors import AnchorSource, check_anchors
from xcgraph.pipeline.retriever import Retriever, check_top_k
from xcgraph.pipeline.stage import Stage
from xcgraph.pipeline.truth import Truth
from xcgraph.pipeline.workspace import Keyed, Workspace
from xcgraph.tasks.dual_builder import DualTaskBuilder
from xcgraph.tasks.dual_task import DualTask


@dataclass(frozen=True, kw_only=True)
class Ramen:
    """RAMEN-style: a dual encoder that graphs regularize while it learns, and that needs none afterwards.

    Attributes:
        anchors: finds anchors and links points and labels to them.
        truth: which labels the loss takes for true.
        tasks: encoder, loss, regularizer and retrieval.
        stage: how the training goes.
        top_k: predictions per point.
    """

    anchors: AnchorSource
    truth: Truth
    tasks: DualTaskBuilder
    stage: Stage
    top_k: int = 100

    def __post_init__(self) -> None:
        check_top_k(self.top_k)

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the number of predictions is too large.
        """
        check_anchors(self.anchors, self.tasks.regularizer)
        self.truth.check(self.anchors)
        smallest = self.tasks.check()
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
        truth = self.truth.of(work.train.labels, anchors)
        return work.keep_task(
            "dual-encoder",
            {"anchors": self.anchors, "truth": self.truth, "tasks": self.tasks},
            self.stage,
            lambda: self.tasks.build(work.label_features, truth, anchors),
            (FullTargets(work.train), FullTargets(work.valid)),
            work.label_metrics(),
        )
