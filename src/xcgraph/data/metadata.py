"""Graph metadata of points and labels, such as links, categories or products bought together."""

from collections.abc import Iterator
from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GraphMetadata:
    """One set of anchors, and the points and labels that are linked to each anchor (RAMEN, section 3).

    Attributes:
        train: (train points, anchors) float32 weights of the links.
        test: (test points, anchors), or None if test points have no links. It is for evaluation only:
            training must not use links of test points.
        labels: (labels, anchors), or None if labels have no links.

    Raises:
        UserError: the parts have different numbers of anchors.
    """

    train: csr_array
    test: csr_array | None = None
    labels: csr_array | None = None

    def __post_init__(self) -> None:
        for part, matrix in self.parts():
            if matrix.shape[1] != self.num_anchors:
                raise UserError(
                    f"Graph metadata: expected {self.num_anchors} anchors as in train, found "
                    f"{matrix.shape[1]} in {part}; use files that belong together."
                )

    @property
    def num_anchors(self) -> int:
        """The number of anchors."""
        return int(self.train.shape[1])

    def parts(self) -> Iterator[tuple[str, csr_array]]:
        """Yield the name and the matrix of each part that exists."""
        for part in ("train", "test", "labels"):
            matrix = getattr(self, part)
            if matrix is not None:
                yield part, matrix
