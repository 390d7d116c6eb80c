"""A trained model as plain arrays: all that prediction needs, for any recipe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xcgraph.metrics.calibration import Calibration
from xcgraph.nn.portable import Activation, Link, PointEncoder
from xcgraph.recipes.portable import PortableMember, Scoring
from xcgraph.text.fitted_vectorizer import FittedVectorizer

__all__ = ["Activation", "Link", "PointEncoder", "PortableMember", "PortableModel", "Scoring"]

# An upper bound on trees: memory per point is allocated for each of them.
MAX_TREES = 256


@dataclass(frozen=True, kw_only=True)
class PortableModel:
    """Trees whose scores are averaged, and the data that reads texts and names labels.

    Attributes:
        data: name of the dataset of the training.
        trees: the models of the ensemble, at least one.
        label_names: one name per label; may be empty.
        label_ids: the user's id of each label; may be empty.
        vocabulary: one token per row of the embeddings; may be empty.
        vectorizer: vectorizes raw text; None for a model of sparse features.
        inverse_propensity: (labels,) float32 weights of PSP and PSnDCG; None if they are unknown.
        calibration: turns scores into probabilities; None if the model is not calibrated.
    """

    data: str
    trees: Sequence[PortableMember]
    label_names: Sequence[str] = ()
    label_ids: Sequence[str | int] = ()
    vocabulary: Sequence[str] = ()
    vectorizer: FittedVectorizer | None = None
    inverse_propensity: NDArray[np.float32] | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.trees) <= MAX_TREES:
            raise ValueError(f"trees: expected 1 to {MAX_TREES}, found {len(self.trees)}")
        counts = {tree.members.shape[1] for tree in self.trees}
        tokens = {len(scoring.encoder.embedding) for scoring in self.scorings()}
        if len(counts) > 1 or len(tokens) > 1:
            raise ValueError(
                f"trees: expected equal numbers of labels and tokens, found {counts} labels, {tokens} tokens"
            )
        for what, names, count in (
            ("label_names", self.label_names, self.num_labels),
            ("label_ids", self.label_ids, self.num_labels),
            ("vocabulary", self.vocabulary, self.num_tokens),
        ):
            if names and len(names) != count:
                raise ValueError(f"{what}: expected {count} names, found {len(names)}")
        weights = self.inverse_propensity
        if weights is not None and (weights.shape != (self.num_labels,) or not (weights >= 1).all()):
            raise ValueError(f"inverse_propensity: expected {self.num_labels} weights of at least 1")
        if self.calibration is not None and len(self.calibration.groups) != self.num_labels:
            raise ValueError(
                f"calibration: expected {self.num_labels} labels, found {len(self.calibration.groups)}"
            )

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.trees[0].members.shape[1])

    @property
    def num_tokens(self) -> int:
        """The number of tokens."""
        return len(self.trees[0].shortlister.encoder.embedding)

    @property
    def top_k(self) -> int:
        """The largest number of labels that a point can get."""
        return max((tree.ranker or tree.shortlister).top_k for tree in self.trees)

    def scorings(self) -> list[Scoring]:
        """Return the shortlisters and rankers of all trees."""
        pairs = ((tree.shortlister, tree.ranker) for tree in self.trees)
        return [scoring for pair in pairs for scoring in pair if scoring is not None]
