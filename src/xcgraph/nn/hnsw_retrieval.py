"""Approximate retrieval of labels with faiss."""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from xcgraph.errors import UserError
from xcgraph.nn.retrieval import Search

if TYPE_CHECKING:
    from faiss import IndexHNSWFlat


@dataclass(frozen=True, kw_only=True)
class HnswRetrieval:
    """Searches labels through a hierarchical graph (HNSW; Malkov and Yashunin, TPAMI'18), on the CPU.

    It pays off from about 100,000 labels. :class:`~xcgraph.nn.retrieval.ExactRetrieval` misses no label.

    Attributes:
        num_links: links per label.
        construction_width: candidates kept while a label is linked.
        search_width: candidates kept during the search for a point; a larger width misses fewer labels.
    """

    num_links: int = 32
    construction_width: int = 200
    search_width: int = 200

    def __post_init__(self) -> None:
        for name in ("num_links", "construction_width", "search_width"):
            if getattr(self, name) < 1:
                raise UserError(f"retrieval.{name} must be ≥ 1, got {getattr(self, name)}.")
        if importlib.util.find_spec("faiss") is None:
            raise UserError(
                "retrieval=hnsw needs faiss: pip install 'xcgraph[ann]', or choose retrieval=exact."
            )

    def index(self, vectors: Tensor) -> Search:
        """Prepare the search among (labels, dim) vectors."""
        index = self.link(vectors)

        def search(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
            values, labels = index.search(points.cpu().numpy(), k)
            return torch.from_numpy(labels).to(points.device), torch.from_numpy(values).to(points.device)

        return search

    def link(self, vectors: Tensor) -> "IndexHNSWFlat":
        """Return faiss's index of (labels, dim) vectors."""
        import faiss

        index = faiss.IndexHNSWFlat(vectors.shape[1], self.num_links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self.construction_width
        index.hnsw.efSearch = self.search_width
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # several threads link labels in a random order
        index.add(vectors.cpu().numpy())
        faiss.omp_set_num_threads(threads)
        return index
