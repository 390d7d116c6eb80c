"""``model.json``: how the tensors of a portable model belong together."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from xcgraph.predict.model import Link

FORMAT: Final = "xcgraph-model"
# Raise it when older code would take the files for what they are not.
VERSION = 2


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BlockPart(_Part):
    """Names of a block's tensors."""

    keep: str
    weight: str
    bias: str


class ScoringPart(_Part):
    """A :class:`~xcgraph.predict.model.Scoring`, with names of tensors and matrices."""

    embedding: str
    block: BlockPart | None
    unit_norm: bool
    shift: str | None = None
    vectors: str
    bias: float = Field(allow_inf_nan=False)
    link: Link
    graph: str
    game_mix: float
    top_k: int


class TreePart(_Part):
    """A :class:`~xcgraph.predict.model.PortableMember`, likewise."""

    shortlister: ScoringPart
    members: str
    ranker: ScoringPart | None
    views: list[str]
    shares: str


class Manifest(_Part):
    """The whole file.

    Attributes:
        format: always ``xcgraph-model``.
        version: of the format.
        made_by: name and version of what wrote it.
        data: name of the data set.
        num_labels: the number of labels.
        num_tokens: the number of tokens.
        reads_text: whether raw text can be given.
        trees: the parts.
        files: by name, the SHA-256 of every other file.
    """

    format: Literal["xcgraph-model"]
    version: int
    made_by: str
    data: str
    num_labels: int
    num_tokens: int
    reads_text: bool
    trees: list[TreePart]
    files: dict[str, str]
