"""The one class that a program needs: load a model, ask it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.predict.engine import Engine, average_traces
from xcgraph.predict.explain import Explainer, TreePath
from xcgraph.predict.folder import is_model, load_model
from xcgraph.predict.inputs import InputReader, Inputs
from xcgraph.predict.model import PortableModel


@dataclass(frozen=True)
class Prediction:
    """One label of one point.

    Attributes:
        label: its number: its column in the data set.
        name: its name; None where the data set has none.
        score: its score.
        paths: one per tree, how it came to its score; empty unless asked for.
    """

    label: int
    name: str | None
    score: float
    paths: tuple[TreePath, ...] = ()


@dataclass(frozen=True)
class Predictions(Sequence[list[Prediction]]):
    """The labels of some points, best first.

    Attributes:
        labels: (points, k) numbers of labels; -1 where a point has fewer.
        scores: (points, k), likewise 0.
        label_names: one per label of the data set, or none.
        paths: by point and place, how each score came to be; empty unless asked for.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    label_names: Sequence[str]
    paths: tuple[tuple[tuple[TreePath, ...], ...], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, point: int) -> list[Prediction]:  # type: ignore[override]
        labels, scores = self.labels[point].tolist(), self.scores[point].tolist()
        found = [(label, score) for label, score in zip(labels, scores, strict=True) if label >= 0]
        paths = self.paths[point] if self.paths else ((),) * len(found)
        return [
            Prediction(label, self.label_names[label] if self.label_names else None, score, path)
            for (label, score), path in zip(found, paths, strict=True)
        ]

    @property
    def names(self) -> list[list[str]]:
        """The names of the labels of each point; numbers as texts where the data set has no names."""
        return [[found.name or str(found.label) for found in self[point]] for point in range(len(self))]


class Predictor:
    """A model that is ready to predict.

    Args:
        model: the model.

    Attributes:
        model: the same.
        inputs: checks and reads what is given to :meth:`predict`.
    """

    def __init__(self, model: PortableModel) -> None:
        self.model = model
        self.inputs = InputReader(model)
        self._engine = Engine(model)
        self._explainer: Explainer | None = None

    @classmethod
    def load(cls, folder: str | Path, *, trust: Sequence[str] = ()) -> "Predictor":
        """Load a folder of ``xcgraph-export``, or of ``xcgraph-train``.

        A model folder has all that it takes. A run folder is opened as the report opens it: its data set is
        read again, which takes longer and needs the files.

        Args:
            folder: the folder.
            trust: packages of your own whose classes the config of a run folder may name.

        Raises:
            UserError: there is no such folder, or it is damaged, unfinished or of another version.
        """
        folder = Path(folder)
        if is_model(folder):
            return cls(load_model(folder))
        if not folder.is_dir():
            raise UserError(f"{folder}: expected the folder of a model or of a run, found none.")
        # What opens runs brings Lightning and Hydra, which a model folder does not need.
        from xcgraph.predict.from_run import portable_run

        return cls(portable_run(folder, trust))

    def predict(self, inputs: Inputs, top_k: int = 5, *, explain: bool = False) -> Predictions:
        """Label points.

        Args:
            inputs: texts; bags: weights of tokens by name or by column; or (points, tokens) sparse rows.
            top_k: labels per point.
            explain: whether to say how each score came to be; it takes some milliseconds per label.

        Raises:
            UserError: an input is none that the model can read, or the model keeps fewer labels.
        """
        if not 1 <= top_k <= self.model.top_k:
            raise UserError(f"top_k: expected 1 to {self.model.top_k}, as the model keeps, found {top_k}.")
        rows = self.inputs.rows(inputs)
        if explain:
            return self._explained(rows, top_k)
        found = self._engine.top(rows, top_k)
        return Predictions(found.labels, found.scores, self.model.label_names)

    def _explained(self, rows: csr_array, top_k: int) -> Predictions:
        self._explainer = self._explainer or Explainer(self.model)
        points = list(self._points(rows, top_k, self._explainer))
        return Predictions(
            np.concatenate([np.empty((0, top_k), np.int32), *(labels for labels, _, _ in points)]),
            np.concatenate([np.empty((0, top_k), np.float32), *(scores for _, scores, _ in points)]),
            self.model.label_names,
            tuple(paths for _, _, paths in points),
        )

    def _points(
        self, rows: csr_array, top_k: int, explainer: Explainer
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32], tuple[tuple[TreePath, ...], ...]]]:
        for point in range(rows.shape[0]):
            traces = self._engine.traces(rows[point : point + 1], top_k)
            found = average_traces(traces, self.model.top_k)
            labels, scores = found.labels[:, :top_k], found.scores[:, :top_k]
            paths = (explainer.explain(traces, 0, label) for label in labels[0].tolist() if label >= 0)
            yield labels, scores, tuple(paths)
