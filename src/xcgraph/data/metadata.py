"""What is known about points and labels besides their texts: links, categories, things bought together."""

from collections.abc import Iterator
from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GraphMetadata:
    """One set of anchors, and which points and labels each of them is linked to (RAMEN, section 3).

    Attributes:
        train: (train points, anchors) weights of the links, float32.
        test: (test points, anchors), or None where only training points are linked; for evaluation, since
            what is known of test points must not shape a model.
        labels: (labels, anchors), or None where no label is linked.

    Raises:
        UserError: the parts differ in their number of anchors.
    """

    train: csr_array
    test: csr_array | None = None
    labels: csr_array | None = None

    def __post_init__(self) -> None:
        for part, matrix in self.parts():
            if matrix.shape[1] != self.num_anchors:
                raise UserError(
                    f"Graph metadata: expected {self.num_anchors} anchors as in train, found "
                    f"{matrix.shape[1]} in {part}; take files that belong together."
                )

    @property
    def num_anchors(self) -> int:
        """The number of anchors."""
        return int(self.train.shape[1])

    def parts(self) -> Iterator[tuple[str, csr_array]]:
        """Give the parts that are there, each with its name."""
        for part in ("train", "test", "labels"):
            matrix = getattr(self, part)
            if matrix is not None:
                yield part, matrix
