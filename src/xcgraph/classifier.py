"""A scikit-learn estimator over the recipes of xcgraph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from xcgraph.fitting import fit, stages_of
from xcgraph.predict.predictor import Predictor


class Classifier(ClassifierMixin, BaseEstimator):
    """Labels texts; works with ``clone``, ``GridSearchCV`` and pipelines of scikit-learn.

    Every argument is stored unchanged, as scikit-learn expects; :meth:`fit` checks them.

    Args:
        recipe: an experiment of ``xcgraph-train``: joint, eclare, decaf, ramen and others.
        label_texts: text of each label; see :func:`xcgraph.fit`.
        epochs: epochs of each stage; None takes the recipe's own.
        learning_rate: learning rate of each stage; None takes the recipe's own.
        overrides: further settings, as on the command line.
        validation: share of the points to hold out; None holds out 5 %.
        top_k: labels per point that :meth:`predict` returns.
        seed: random seed of the run.
        progress: ``auto``, ``bar``, ``lines`` or ``quiet``.

    Attributes:
        model_: the trained model, a :class:`~xcgraph.predict.predictor.Predictor`.
    """

    def __init__(  # noqa: PLR0913 - the settings of an estimator, all with defaults
        self,
        recipe: str = "joint",
        *,
        label_texts: object = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        overrides: Sequence[str] = (),
        validation: float | None = None,
        top_k: int = 5,
        seed: int = 0,
        progress: str = "quiet",
    ) -> None:
        self.recipe = recipe
        self.label_texts = label_texts
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.overrides = overrides
        self.validation = validation
        self.top_k = top_k
        self.seed = seed
        self.progress = progress

    def fit(self, texts: object, labels: object) -> "Classifier":
        """Train on texts and their labels; see :func:`xcgraph.fit`."""
        self.model_: Predictor = fit(
            texts,
            labels,
            label_texts=self.label_texts,
            recipe=self.recipe,
            validation=self.validation,
            overrides=(*self._stage_settings(), *self.overrides),
            seed=self.seed,
            progress=self.progress,
        )
        self.classes_ = np.array(self.model_.model.label_ids)
        return self

    def predict(self, texts: Any) -> list[list[str | int]]:  # noqa: ANN401 - any column of texts
        """Return the label ids of each text, best first."""
        check_is_fitted(self, "model_")
        return self.model_.predict(texts, min(self.top_k, self.model_.model.top_k)).ids

    def predict_proba(self, texts: Any) -> NDArray[np.float32]:  # noqa: ANN401 - any column of texts
        """Return (texts, labels) scores in the order of ``classes_``; 0 for labels that the model drops."""
        check_is_fitted(self, "model_")
        found = self.model_.predict(texts, self.model_.model.top_k)
        scores = np.zeros((len(found), len(self.classes_)), np.float32)
        rows, ranks = np.nonzero(found.labels >= 0)
        scores[rows, found.labels[rows, ranks]] = found.scores[rows, ranks]
        return scores

    def score(self, texts: Any, labels: object, sample_weight: None = None) -> float:  # noqa: ANN401
        """Return P@1: the share of texts whose best label is right."""
        del sample_weight
        check_is_fitted(self, "model_")
        return self.model_.evaluate(texts, labels)["P@1"]

    def _stage_settings(self) -> list[str]:
        """Return the overrides of epochs and learning rate for every stage of the recipe."""
        values = {"max_epochs": self.epochs, "lr": self.learning_rate}
        chosen = {key: value for key, value in values.items() if value is not None}
        if not chosen:
            return []
        return [
            f"stages.{stage}.{key}={value}"
            for stage in stages_of(self.recipe)
            for key, value in chosen.items()
        ]
