"""What the stages of one run share: data, seed, and artifacts with the keys that chain them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

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
from xcgraph.storage.artifacts import ArtifactStore, save_arrays, save_csr
from xcgraph.storage.npz import load_arrays, load_csr
from xcgraph.tasks.task import AnyTask
from xcgraph.training.progress import ProgressListener
from xcgraph.training.stage import Stage, load_weights

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Keyed(Generic[Kept]):
    """Something that was made, with the key of everything that went into it."""

    value: Kept
    key: str


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where a recipe works.

    Attributes:
        train: points to learn from.
        valid: points to validate on, carved from the training points.
        label_features: (labels, tokens) label texts.
        metadata: by name, what points to learn from and labels are linked to.
        inverse_propensity: (labels,) from all training points.
        data_key: fingerprint of the data and of the choice of validation points.
        store: where artifacts go.
        seed: of everything random.
        watch: who looks on.
    """

    train: Split
    valid: Split
    label_features: csr_array
    metadata: Mapping[str, GraphMetadata]
    inverse_propensity: Float[Tensor, "labels"]
    data_key: str
    store: ArtifactStore
    seed: int
    watch: ProgressListener = field(default_factory=ProgressListener)

    @classmethod
    def of(
        cls,
        data: XCData,
        store: ArtifactStore,
        *,
        seed: int,
        validation_fraction: float,
        validation_seed: int,
        watch: ProgressListener | None = None,
    ) -> "Workspace":
        """Carve the validation points from the training points; the test points stay out."""
        learned, held = hold_out_rows(len(data.train), validation_fraction, validation_seed)
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
            watch=watch or ProgressListener(),
        )

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.label_features.shape[0])

    def positive_rate(self, num_labels: int) -> float:
        """Return the share of true pairs among those of a training point and one of ``num_labels`` labels.

        The ranker starts there too, although more of its shortlisted pairs are true: starting at their rate
        was worse on the validation points of LF-WordNet-8K (PSP@5 24.4 instead of 26.5, one seed).
        """
        per_point = float(self.train.labels.nnz / len(self.train))
        return min(per_point / num_labels, 0.5)

    def seed_for(self, *purpose: str | int) -> int:
        """Derive a seed for a purpose, so that no two parts draw the same random numbers."""
        text = " ".join(map(str, (self.seed, *purpose)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def label_metrics(self) -> XCMetrics:
        """Make the metrics of labels on validation points."""
        return XCMetrics(self.num_labels, (1, 3, 5), self.inverse_propensity)

    def keep_matrix(
        self, name: str, inputs: Mapping[str, Any], compute: Callable[[], csr_array]
    ) -> Keyed[csr_array]:
        """Compute a sparse matrix, or take the stored one with the same inputs."""
        artifact = self.store.make(
            name, self._inputs(inputs), lambda folder: save_csr(folder / "matrix.npz", compute())
        )
        return Keyed(load_csr(artifact.path("matrix.npz")), artifact.key)

    def keep_arrays(
        self, name: str, inputs: Mapping[str, Any], compute: Callable[[], Mapping[str, NDArray]]
    ) -> Keyed[dict[str, NDArray]]:
        """Compute named arrays, or take the stored ones with the same inputs."""
        artifact = self.store.make(
            name, self._inputs(inputs), lambda folder: save_arrays(folder / "arrays.npz", **compute())
        )
        return Keyed(load_arrays(artifact.path("arrays.npz")), artifact.key)

    def keep_task(
        self,
        name: str,
        inputs: Mapping[str, Any],
        stage: Stage,
        build: Callable[[], AnyTask],
        fit_on: tuple[AllLabelsDataset, AllLabelsDataset],
        metrics: XCMetrics,
    ) -> Keyed[AnyTask]:
        """Train a task, or load the stored weights of one with the same inputs."""
        seed = self.seed_for(name)
        torch.manual_seed(seed)
        task = build()

        def train(folder: Path) -> None:
            stage.fit(task, fit_on, metrics, folder=folder, title=name, seed=seed, watch=self.watch)

        artifact = self.store.make_together(name, self._inputs({"stage": stage, **inputs}), train)
        self.watch.end_stage(name, artifact)
        return Keyed(load_weights(task, artifact.folder), artifact.key)

    def _inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"data": self.data_key, "seed": self.seed, **inputs}


def embed(encoder: Encoder, texts: csr_array) -> NDArray[np.float32]:
    """Embed (texts, tokens) rows as (texts, dim) vectors on the CPU."""
    with torch.no_grad():
        vectors: NDArray[np.float32] = encoder.embed(token_bag(texts)).cpu().numpy()
    return vectors
