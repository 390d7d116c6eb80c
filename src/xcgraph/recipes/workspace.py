"""The data, the seed and the artifact store that the steps of one run share."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from xcgraph.data.batching import AllLabelsDataset, token_bag
from xcgraph.data.holdout import hold_out_rows
from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.xc_data import Split, XCData
from xcgraph.metrics.evaluate import training_inverse_propensity
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.keyed import NOTHING, Kept, Keyed, Step
from xcgraph.recipes.sizes import DataSizes
from xcgraph.storage.artifacts import ArtifactStore, content_key, save_arrays, save_csr
from xcgraph.storage.npz import load_arrays, load_csr
from xcgraph.tasks.task import Task
from xcgraph.training.progress import ProgressListener
from xcgraph.training.stage import Stage, load_weights

AnyTask = TypeVar("AnyTask", bound=Task)
Arrays: TypeAlias = Mapping[str, NDArray]
Unkeyed: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Training(Generic[AnyTask]):
    """A task before its training.

    Attributes:
        task: the untrained task.
        train: points to train on.
        valid: points to validate on after each epoch.
        metrics: metrics on the validation points.
    """

    task: AnyTask
    train: AllLabelsDataset
    valid: AllLabelsDataset
    metrics: XCMetrics


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The data of a run, and a store for each step's result.

    The methods ``derive``, ``keep_matrix``, ``keep_arrays`` and ``keep_task`` compute
    ``function(workspace, **inputs)``. The key of the result is a hash of the name, of the same inputs, of the
    data and of the seed, so that it cannot miss an input; :class:`~xcgraph.recipes.keyed.Step` has the rules.

    Attributes:
        train: points to train on.
        valid: points to validate on, held out from the training points of the dataset.
        label_features: (labels, tokens) label texts.
        metadata: links of the points to train on and of labels to the anchors of a graph, by graph name.
        inverse_propensity: (labels,) inverse propensities, from all training points of the dataset.
        data_key: fingerprint of the dataset and of the choice of validation points.
        store: store of the artifacts.
        seed: random seed of the run.
        listener: receives the progress of trainings.
    """

    train: Split
    valid: Split
    label_features: csr_array
    metadata: Mapping[str, GraphMetadata]
    inverse_propensity: Float[Tensor, "labels"]
    data_key: str
    store: ArtifactStore
    seed: int
    listener: ProgressListener = field(default_factory=ProgressListener)

    @classmethod
    def of(
        cls,
        data: XCData,
        store: ArtifactStore,
        *,
        seed: int,
        validation_fraction: float,
        validation_seed: int,
        listener: ProgressListener | None = None,
    ) -> "Workspace":
        """Hold out validation points, those of the dataset if it has some; leave out the test points."""
        if data.held_out is None:
            learned, held = hold_out_rows(len(data.train), validation_fraction, validation_seed)
        else:
            held = data.held_out
            learned = np.setdiff1d(np.arange(len(data.train)), held)
        return cls(
            train=data.train.take(learned),
            valid=data.train.take(held),
            label_features=data.label_features,
            metadata={
                name: GraphMetadata(train=graph.train[learned], labels=graph.labels)
                for name, graph in data.metadata.items()
            },
            inverse_propensity=training_inverse_propensity(data),
            data_key=f"{data.fingerprint} {validation_fraction} {validation_seed}",
            store=store,
            seed=seed,
            listener=listener or ProgressListener(),
        )

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.label_features.shape[0])

    @property
    def sizes(self) -> DataSizes:
        """The sizes of the data, to which recipes lower their settings."""
        return DataSizes(num_points=len(self.train), num_labels=self.num_labels)

    def positive_rate(self, num_labels: int) -> float:
        """Return the share of positives among all pairs of a training point and one of ``num_labels`` labels.

        Classifiers start at this probability. The ranker does too, although more of its shortlisted pairs are
        positive: starting at the rate of shortlists was worse on the validation points of LF-WordNet-8K
        (PSP@5 24.4 instead of 26.5, one seed).
        """
        per_point = float(self.train.labels.nnz / len(self.train))
        return min(per_point / num_labels, 0.5)

    def seed_for(self, *purpose: str | int) -> int:
        """Derive a seed from the run's seed, so that each purpose has its own random numbers."""
        text = " ".join(map(str, (self.seed, *purpose)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def label_metrics(self) -> XCMetrics:
        """Return the metrics of label predictions on the validation points."""
        return XCMetrics(self.num_labels, (1, 3, 5), self.inverse_propensity)

    def derive(
        self, name: str, function: Callable[..., Kept], *, unkeyed: Unkeyed = NOTHING, **inputs: object
    ) -> Keyed[Kept]:
        """Compute a value that is not worth storing."""
        step = Step(name, function, inputs, unkeyed)
        return Keyed(step.compute(self), content_key({"name": name, **self._hashed(step)}))

    def keep_matrix(
        self, name: str, function: Callable[..., csr_array], *, unkeyed: Unkeyed = NOTHING, **inputs: object
    ) -> Keyed[csr_array]:
        """Compute a sparse matrix, or load the stored one with the same inputs."""
        step = Step(name, function, inputs, unkeyed)
        artifact = self.store.make(
            name, self._hashed(step), lambda folder: save_csr(folder / "matrix.npz", step.compute(self))
        )
        return Keyed(load_csr(artifact.path("matrix.npz")), artifact.key)

    def keep_arrays(
        self, name: str, function: Callable[..., Arrays], *, unkeyed: Unkeyed = NOTHING, **inputs: object
    ) -> Keyed[dict[str, NDArray]]:
        """Compute named arrays, or load the stored ones with the same inputs."""
        step = Step(name, function, inputs, unkeyed)
        artifact = self.store.make(
            name, self._hashed(step), lambda folder: save_arrays(folder / "arrays.npz", **step.compute(self))
        )
        return Keyed(load_arrays(artifact.path("arrays.npz")), artifact.key)

    def keep_task(
        self,
        name: str,
        function: Callable[..., Training[AnyTask]],
        *,
        stage: Stage,
        unkeyed: Unkeyed = NOTHING,
        **inputs: object,
    ) -> Keyed[AnyTask]:
        """Train the task that a function builds, or load the weights with the same stage and inputs."""
        return self.train_task(Step(name, function, inputs, unkeyed), stage)

    def train_task(self, step: Step[Training[AnyTask]], stage: Stage) -> Keyed[AnyTask]:
        """Do what :meth:`keep_task` does, after its arguments are checked."""
        training = self.build_task(step)

        def train(folder: Path) -> None:
            stage.fit(
                training.task,
                (training.train, training.valid),
                training.metrics,
                folder=folder,
                title=step.name,
                seed=self.seed_for(step.name),
                listener=self.listener,
            )

        artifact = self.store.make_together(step.name, {"stage": stage, **self._hashed(step)}, train)
        self.listener.end_stage(step.name, artifact)
        return Keyed(load_weights(training.task, artifact.folder), artifact.key)

    def build_task(self, step: Step[Training[AnyTask]]) -> Training[AnyTask]:
        """Build an untrained task from the seed that belongs to its name."""
        torch.manual_seed(self.seed_for(step.name))
        return step.compute(self)

    def _hashed(self, step: Step[Any]) -> dict[str, Any]:
        return {"data": self.data_key, "seed": self.seed, "inputs": step.described()}


def embed(encoder: Encoder, texts: csr_array) -> NDArray[np.float32]:
    """Embed (texts, tokens) rows as (texts, dim) vectors on the CPU."""
    with torch.no_grad():
        vectors: NDArray[np.float32] = encoder.embed(token_bag(texts)).cpu().numpy()
    return vectors
