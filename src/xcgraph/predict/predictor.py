"""Loads a trained model and labels texts, bags of tokens or sparse rows with it."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as short

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.predict.engine import Engine, average_traces
from xcgraph.predict.evaluation import evaluate_rows
from xcgraph.predict.explain import Explainer, TreePath
from xcgraph.predict.folder import is_model, load_model, save_model
from xcgraph.predict.folder_kind import describe_path
from xcgraph.predict.inputs import InputReader, Inputs, has_known_token
from xcgraph.predict.model import PortableModel

_SHOWN_POINTS = 10
_SHOWN_LABELS = 5
_MAX_NAME = 40  # characters


@dataclass(frozen=True)
class Prediction:
    """One label of one point.

    Attributes:
        label: number of the label, which is its column in the dataset.
        name: name of the label; None if the dataset has no label names.
        score: score of the label.
        id: the user's id of the label; None if labels have only numbers.
        probability: calibrated probability that the label is right; None if the model is not calibrated.
        paths: one explanation per tree; empty unless requested.
    """

    label: int
    name: str | None
    score: float
    id: str | int | None = None
    probability: float | None = None
    paths: tuple[TreePath, ...] = ()


@dataclass(frozen=True, repr=False)
class Predictions(Sequence[list[Prediction]]):
    """The labels of several points, best first.

    Attributes:
        labels: (points, k) label numbers, padded with -1.
        scores: (points, k) scores, padded with 0.
        label_names: name of every label of the dataset, or empty.
        known: (points,) whether a point has at least one token that the model knows. The labels of a point
            without one come from the model's priors alone.
        paths: explanations by point and rank; empty unless requested.
        label_ids: the user's id of every label, or empty.
        probabilities: (points, k) calibrated probabilities; None if the model is not calibrated.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    label_names: Sequence[str]
    known: NDArray[np.bool_]
    paths: tuple[tuple[tuple[TreePath, ...], ...], ...] = ()
    label_ids: Sequence[str | int] = ()
    probabilities: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, point: int) -> list[Prediction]:  # type: ignore[override]
        labels = [label for label in self.labels[point].tolist() if label >= 0]
        scores = self.scores[point].tolist()
        chances = [None] * len(labels) if self.probabilities is None else self.probabilities[point].tolist()
        paths = self.paths[point] if self.paths else ((),) * len(labels)
        return [
            Prediction(
                label,
                self.label_names[label] if self.label_names else None,
                scores[rank],
                self.label_ids[label] if self.label_ids else None,
                chances[rank],
                paths[rank],
            )
            for rank, label in enumerate(labels)
        ]

    @property
    def ids(self) -> list[list[str | int]]:
        """The user's label ids of each point; label numbers if the dataset has no ids."""
        return [
            [found.label if found.id is None else found.id for found in self[point]]
            for point in range(len(self))
        ]

    def above(self, min_score: float | None = None, min_probability: float | None = None) -> "Predictions":
        """Return the predictions without labels below a score or a probability.

        Raises:
            UserError: ``min_probability`` is set and there are no probabilities.
        """
        if min_probability is not None and self.probabilities is None:
            raise UserError("min_probability: the model is not calibrated; use min_score, or train it again.")
        kept = self.labels >= 0
        if min_score is not None:
            kept &= self.scores >= min_score
        if min_probability is not None and self.probabilities is not None:
            kept &= self.probabilities >= min_probability
        order = np.argsort(~kept, axis=1, kind="stable")  # kept labels first, in their order
        gone = np.take_along_axis(~kept, order, axis=1)
        paths = tuple(
            tuple(path for path, keep in zip(own, row, strict=False) if keep)
            for own, row in zip(self.paths, kept.tolist(), strict=False)  # no paths: none requested
        )
        return replace(
            self,
            labels=np.where(gone, -1, np.take_along_axis(self.labels, order, axis=1)),
            scores=np.where(gone, 0, np.take_along_axis(self.scores, order, axis=1)),
            paths=paths,
            probabilities=None
            if self.probabilities is None
            else np.where(gone, 0, np.take_along_axis(self.probabilities, order, axis=1)),
        )

    @property
    def names(self) -> list[list[str]]:
        """The label names of each point; label numbers as texts if the dataset has no names."""
        return [[found.name or str(found.label) for found in self[point]] for point in range(len(self))]

    def __repr__(self) -> str:
        points, k = self.labels.shape
        lines = [f"Predictions of {points} points, top {k}:"]
        lines += [f"  {point}: {self._summary(point)}" for point in range(min(points, _SHOWN_POINTS))]
        if points > _SHOWN_POINTS:
            lines.append(f"  … and {points - _SHOWN_POINTS} more")
        return "\n".join(lines)

    def _summary(self, point: int) -> str:
        predictions = self[point]
        shown = [
            f"{_shortened(each.name or str(each.label))} ({each.score:.3g})"
            for each in predictions[:_SHOWN_LABELS]
        ]
        if len(predictions) > _SHOWN_LABELS:
            shown.append("…")
        return ("" if self.known[point] else "[no known token] ") + ", ".join(shown)


class Predictor:
    """A model that is ready to predict.

    Args:
        model: the model.

    Attributes:
        model: the model.
        inputs: checks and vectorizes the inputs of :meth:`predict`.
    """

    def __init__(self, model: PortableModel) -> None:
        self.model = model
        self.inputs = InputReader(model)
        self._engine = Engine(model)
        self._explainer: Explainer | None = None

    @classmethod
    def load(cls, folder: str | Path, *, trust: Sequence[str] = ()) -> "Predictor":
        """Load a model folder of ``xcgraph-export`` or a run folder of ``xcgraph-train``.

        A model folder is self-contained. For a run folder, the dataset of the run is read again, which takes
        longer and needs the data files.

        Args:
            folder: the model folder or run folder; ``~`` stands for the home directory.
            trust: your own packages whose classes the config of a run folder may name.

        Raises:
            UserError: ``folder`` is neither, or it is damaged, unfinished or of another version.
        """
        folder = Path(folder).expanduser()
        if is_model(folder):
            return cls(load_model(folder))
        if (problem := describe_path(folder)) is not None:
            raise UserError(
                f"{folder}: expected a model folder of xcgraph-export or a run folder of xcgraph-train; "
                f"found {problem}."
            )
        # Run folders need Lightning and Hydra; model folders load without them.
        from xcgraph.predict.from_run import portable_run

        return cls(portable_run(folder, trust))

    def predict(
        self,
        inputs: Inputs,
        top_k: int = 5,
        *,
        explain: bool = False,
        min_score: float | None = None,
        min_probability: float | None = None,
    ) -> Predictions:
        """Label points.

        Args:
            inputs: texts, bags (mappings from token name or column to weight), or a mixture of both, in a
                list, a pandas Series, a generator or another ordered iterable; or sparse rows of shape
                (points, tokens).
            top_k: maximum number of labels per point.
            explain: whether to explain each score, which takes some milliseconds per label.
            min_score: leave out labels with a lower score.
            min_probability: leave out labels with a lower probability; :meth:`threshold` finds a value for a
                wanted precision.

        Raises:
            UserError: the model cannot read an input, ``top_k`` is not a whole number from 1 to the number of
                labels that the model keeps, or ``min_probability`` is set and the model is not calibrated.
        """
        found = self._all_predictions(inputs, self._checked_top_k(top_k), explain=explain)
        if min_score is None and min_probability is None:
            return found
        return found.above(min_score, min_probability)

    def _all_predictions(self, inputs: Inputs, top_k: int, *, explain: bool) -> Predictions:
        rows = self.inputs.rows(inputs)
        if explain:
            return self._explained(rows, top_k)
        found = self._engine.top(rows, top_k)
        return self._predictions(found.labels, found.scores, rows)

    def _predictions(
        self,
        labels: NDArray[np.int32],
        scores: NDArray[np.float32],
        rows: csr_array,
        paths: tuple[tuple[tuple[TreePath, ...], ...], ...] = (),
    ) -> Predictions:
        calibration = self.model.calibration
        return Predictions(
            labels,
            scores,
            self.model.label_names,
            has_known_token(rows),
            paths,
            self.model.label_ids,
            None if calibration is None else calibration(labels, scores),
        )

    def evaluate(self, inputs: Inputs, labels: object) -> dict[str, float]:
        """Measure the model on labelled points.

        Args:
            inputs: points, as for :meth:`predict`.
            labels: one list of label ids per point, or an indicator matrix.

        Returns:
            P, nDCG, R, PSP and PSnDCG at 1, 3 and 5 as fractions, by names such as ``P@1``.

        Raises:
            UserError: the model cannot read an input, or the labels have a wrong form.
        """
        return evaluate_rows(self.model, self._engine, self.inputs.rows(inputs), labels)

    def save(self, folder: str | Path) -> None:
        """Write the model into a new folder for :meth:`load`, ``xcgraph-predict`` and ``xcgraph-serve``.

        Raises:
            UserError: the folder exists.
        """
        save_model(self.model, Path(folder).expanduser())

    def threshold(self, precision: float) -> float | None:
        """Return the lowest probability whose predictions reach a precision on the validation points.

        Raises:
            UserError: the model is not calibrated, or the precision lies outside (0, 1].
        """
        if self.model.calibration is None:
            raise UserError("threshold: the model is not calibrated; train it again, or export its run.")
        return self.model.calibration.threshold(precision)

    def _checked_top_k(self, top_k: object) -> int:
        allowed = f"top_k: expected a whole number from 1 to {self.model.top_k}, which the model keeps"
        if isinstance(top_k, bool | np.bool_) or not isinstance(top_k, int | np.integer):
            raise UserError(f"{allowed}, found {short(top_k)}.")
        if not 1 <= top_k <= self.model.top_k:
            raise UserError(f"{allowed}, found {top_k}.")
        return operator.index(top_k)

    def _explained(self, rows: csr_array, top_k: int) -> Predictions:
        self._explainer = self._explainer or Explainer(self.model)
        points = list(self._explain_points(rows, top_k, self._explainer))
        return self._predictions(
            np.concatenate([np.empty((0, top_k), np.int32), *(labels for labels, _, _ in points)]),
            np.concatenate([np.empty((0, top_k), np.float32), *(scores for _, scores, _ in points)]),
            rows,
            tuple(paths for _, _, paths in points),
        )

    def _explain_points(
        self, rows: csr_array, top_k: int, explainer: Explainer
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32], tuple[tuple[TreePath, ...], ...]]]:
        for point in range(rows.shape[0]):
            traces = self._engine.traces(rows[point : point + 1], top_k)
            found = average_traces(traces, self.model.top_k)
            labels, scores = found.labels[:, :top_k], found.scores[:, :top_k]
            paths = (explainer.explain(traces, 0, label) for label in labels[0].tolist() if label >= 0)
            yield labels, scores, tuple(paths)


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def load(folder: str | Path, *, trust: Sequence[str] = ()) -> Predictor:
    """Load a model folder or a run folder; see :meth:`Predictor.load`."""
    return Predictor.load(folder, trust=trust)
