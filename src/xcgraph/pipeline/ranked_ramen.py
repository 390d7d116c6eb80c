"""ECLARE's shortlister and ranker on the embeddings of a RAMEN-style dual encoder."""

from dataclasses import dataclass

from xcgraph.nn.encoder import Encoder
from xcgraph.pipeline.eclare import Eclare
from xcgraph.pipeline.ramen import Ramen
from xcgraph.pipeline.workspace import Keyed, Workspace


@dataclass(frozen=True, kw_only=True)
class RankedRamen(Eclare):
    """Modules II to IV of ECLARE after a dual encoder in place of its Module I.

    Attributes:
        dual_encoder: learns the embeddings.
    """

    dual_encoder: Ramen

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained."""
        super().check(num_labels)
        self.dual_encoder.check(num_labels)

    def epochs(self) -> dict[str, int]:
        """Return by name, in their order, how many epochs each training takes."""
        after = super().epochs()
        del after["surrogate"]
        return {**self.dual_encoder.epochs(), **after}

    def surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Learn token embeddings as the dual encoder does."""
        return self.dual_encoder.encoder(work)
