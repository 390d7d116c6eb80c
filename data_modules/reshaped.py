"""A data set in another shape: does a recipe hold where its settings were not chosen?"""

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
    """What a data set is made of before its texts are weighed.

    Attributes:
        train: training points.
        test: test points.
        train_texts: one per training point.
        test_texts: one per test point.
        label_names: one per label.
    """

    train: Split
    test: Split
    train_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    label_names: tuple[str, ...]


class Shape(ABC):
    """What becomes of a data set."""

    @abstractmethod
    def reshape(self, material: Material) -> Material:
        """Return the data set in this shape; equal on every call.

        Raises:
            UserError: the data set cannot take this shape.
        """


@dataclass(frozen=True)
class FirstWords(Shape):
    """Titles only: of a point's text, the first words.

    Attributes:
        num_words: how many, ≥ 1.
    """

    num_words: int

    def __post_init__(self) -> None:
        if self.num_words < 1:
            raise UserError(f"data.shape.num_words must be ≥ 1, got {self.num_words}.")

    def reshape(self, material: Material) -> Material:
        """Cut the texts of points; labels keep theirs."""
        return replace(
            material, train_texts=self._cut(material.train_texts), test_texts=self._cut(material.test_texts)
        )

    def _cut(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(" ".join(text.split(maxsplit=self.num_words)[: self.num_words]) for text in texts)


@dataclass(frozen=True)
class FewPoints(Shape):
    """Few training points per label: a point stays if one of its labels still needs it.

    Attributes:
        points_per_label: that many each label needs, ≥ 1; a label can end with more, of points that stay for
            another's sake, or fewer, where there are not so many.
        seed: of the order in which points are looked at.
    """

    points_per_label: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.points_per_label < 1:
            raise UserError(f"data.shape.points_per_label must be ≥ 1, got {self.points_per_label}.")

    def reshape(self, material: Material) -> Material:
        """Leave out training points; labels and test points stay."""
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
    """One further label, the last, that many points carry whatever they say.

    Attributes:
        share: of the points, training and test alike, in (0, 1).
        name: the label's text.
        seed: of the choice of points.
    """

    share: float
    name: str = "miscellaneous"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UserError(f"data.shape.share must lie in (0, 1), got {self.share}.")

    def reshape(self, material: Material) -> Material:
        """Add a column of labels."""
        generator = np.random.default_rng(self.seed)
        return replace(
            material,
            train=self._carried(material.train, generator),
            test=self._carried(material.test, generator),
            label_names=(*material.label_names, self.name),
        )

    def _carried(self, split: Split, generator: np.random.Generator) -> Split:
        column = (generator.random((len(split), 1)) < self.share).astype(np.float32)
        labels = csr_array(hstack([split.labels, csr_array(column)], format="csr"))
        return replace(split, labels=labels)


class Reshaped(XCDataModule):
    """Another data set, reshaped; texts are weighed anew, and shape the vocabulary, in their new shape.

    Args:
        base: the data set; it has to know the texts of its points and labels.
        shape: what becomes of it.
        name: the data set's name, as reports print it.
        text: how texts become token weights.
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
        """Read the data set and reshape it; equal data on every call.

        Raises:
            UserError: the data set has no texts, or cannot take the shape.
        """
        found = self._material()
        weighed = self.text.fit_transform(found.train_texts, found.test_texts, label_texts=found.label_names)
        return XCData(
            name=self.name,
            train=replace(found.train, features=weighed.train),
            test=replace(found.test, features=weighed.test),
            label_features=weighed.labels,
            label_names=found.label_names,
            vocabulary=weighed.vocabulary,
            vectorizer=weighed.vectorizer,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )

    def point_texts(self) -> PointTexts:
        """Return the texts in their new shape."""
        found = self._material()
        return PointTexts(found.train_texts, found.test_texts)

    def _material(self) -> Material:
        data, texts = self.base.read(), self.base.point_texts()
        if texts is None or not data.label_names:
            raise UserError(
                f"{self.name}: expected {self.base.name} to have texts of points and labels, found features "
                "alone; name a data set with texts in data.base."
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
