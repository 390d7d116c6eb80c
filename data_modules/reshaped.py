"""Variants of a data set, which show whether a recipe's settings also work on data of another shape."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, hstack

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import PointTexts, Split, XCData
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import Vectorizer


@dataclass(frozen=True, kw_only=True)
class Material:
    """The parts of a data set before its texts are vectorized.

    Attributes:
        train: training points.
        test: test points.
        train_texts: one text per training point.
        test_texts: one text per test point.
        label_names: one text per label.
    """

    train: Split
    test: Split
    train_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    label_names: tuple[str, ...]


class Shape(ABC):
    """A way to change a data set."""

    @abstractmethod
    def reshape(self, material: Material) -> Material:
        """Return the changed data set; every call returns equal data.

        Raises:
            UserError: this shape is impossible for the data set.
        """


@dataclass(frozen=True)
class FirstWords(Shape):
    """Keep only the first words of each point's text, like a title.

    Attributes:
        num_words: number of words to keep, at least 1.

    Raises:
        UserError: ``num_words`` is below 1.
    """

    num_words: int

    def __post_init__(self) -> None:
        if self.num_words < 1:
            raise UserError(f"data.shape.num_words must be ≥ 1, got {self.num_words}; raise it.")

    def reshape(self, material: Material) -> Material:
        """Return the data set with shortened point texts; label texts do not change."""
        return replace(
            material,
            train_texts=self._shorten(material.train_texts),
            test_texts=self._shorten(material.test_texts),
        )

    def _shorten(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(" ".join(text.split(maxsplit=self.num_words)[: self.num_words]) for text in texts)


@dataclass(frozen=True)
class FewPoints(Shape):
    """Keep few training points per label.

    The points are visited in random order. A point is kept if one of its labels does not have enough points
    yet.

    Attributes:
        points_per_label: number of points that each label needs, at least 1. A label can have more, from
            points that another label needs, or fewer, if the data set does not have as many.
        seed: random seed for the order of the points.

    Raises:
        UserError: ``points_per_label`` is below 1.
    """

    points_per_label: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.points_per_label < 1:
            raise UserError(
                f"data.shape.points_per_label must be ≥ 1, got {self.points_per_label}; raise it."
            )

    def reshape(self, material: Material) -> Material:
        """Return the data set with fewer training points; labels and test points do not change."""
        labels, rows = material.train.labels, []
        kept = np.zeros(labels.shape[1], np.int64)
        for row in np.random.default_rng(self.seed).permutation(labels.shape[0]):
            own = labels.indices[labels.indptr[row] : labels.indptr[row + 1]]
            if (kept[own] < self.points_per_label).any():
                kept[own] += 1
                rows.append(row)
        chosen = np.sort(np.array(rows, np.int64))
        texts = tuple(material.train_texts[row] for row in chosen)
        return replace(material, train=material.train.take(chosen), train_texts=texts)


@dataclass(frozen=True)
class FrequentLabel(Shape):
    """Add one last label that many random points have, independent of their texts.

    Attributes:
        share: share of the training points and of the test points with this label, in (0, 1).
        name: text of the label.
        seed: random seed for the choice of the points.

    Raises:
        UserError: ``share`` is out of range.
    """

    share: float
    name: str = "miscellaneous"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"data.shape.share must lie in (0, 1), got {self.share}; try 0.4.")

    def reshape(self, material: Material) -> Material:
        """Return the data set with one more label."""
        generator = np.random.default_rng(self.seed)
        return replace(
            material,
            train=self._add_label(material.train, generator),
            test=self._add_label(material.test, generator),
            label_names=(*material.label_names, self.name),
        )

    def _add_label(self, split: Split, generator: np.random.Generator) -> Split:
        column = (generator.random((len(split), 1)) < self.share).astype(np.float32)
        labels = csr_array(hstack([split.labels, csr_array(column)], format="csr"))
        return replace(split, labels=labels)


class Reshaped(XCDataModule):
    """A variant of another data set; the vectorizer is fitted on the changed texts.

    Args:
        base: the original data set, which must have the texts of its points and labels.
        shape: the change to the data set.
        name: name of the data set in reports.
        text: vectorizer for all texts.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.
    """

    def __init__(
        self,
        *,
        base: XCDataModule,
        shape: Shape,
        name: str,
        text: Vectorizer,
        propensity_a: float,
        propensity_b: float,
    ) -> None:
        super().__init__(name=name, propensity_a=propensity_a, propensity_b=propensity_b)
        self.base = base
        self.shape = shape
        self.text = text

    def read(self) -> XCData:
        """Read the original data set and change it; every call returns equal data.

        Raises:
            UserError: the data set has no texts, or the shape is impossible for it.
        """
        material = self._material()
        vectorized = self.text.fit_transform(
            material.train_texts, material.test_texts, label_texts=material.label_names
        )
        return XCData(
            name=self.name,
            train=replace(material.train, features=vectorized.train),
            test=replace(material.test, features=vectorized.test),
            label_features=vectorized.labels,
            label_names=material.label_names,
            vocabulary=vectorized.vocabulary,
            vectorizer=vectorized.vectorizer,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )

    def point_texts(self) -> PointTexts:
        """Return the changed texts of the points."""
        material = self._material()
        return PointTexts(material.train_texts, material.test_texts)

    def _material(self) -> Material:
        data, texts = self.base.read(), self.base.point_texts()
        if texts is None or not data.label_names:
            raise UserError(
                f"{self.name}: expected {self.base.name} to have texts of points and labels, found only "
                "features; choose a data set with texts as data.base."
            )
        return self.shape.reshape(
            Material(
                train=data.train,
                test=data.test,
                train_texts=tuple(texts.train),
                test_texts=tuple(texts.test),
                label_names=data.label_names,
            )
        )
