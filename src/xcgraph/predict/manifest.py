"""The schema of ``model.json``, which names the tensors of each part of a portable model."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from xcgraph.predict.model import Activation, Link

FORMAT: Final = "xcgraph-model"
# Increase it with every change that older code would misread. Other versions are refused.
VERSION = 3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class EncoderPart(_Part):
    """A :class:`~xcgraph.nn.portable.PointEncoder`, with names of tensors in place of arrays."""

    embedding: str
    keep: str | None
    weight: str | None
    bias: str | None
    activation: Activation


class ScoringPart(_Part):
    """A :class:`~xcgraph.recipes.portable.Scoring`, with names of tensors and matrices in place of arrays."""

    encoder: EncoderPart
    vectors: str
    bias: float = Field(allow_inf_nan=False)
    link: Link
    graph: str
    game_mix: float
    top_k: int


class TreePart(_Part):
    """A :class:`~xcgraph.recipes.portable.PortableMember`, with names in place of arrays."""

    shortlister: ScoringPart
    members: str
    ranker: ScoringPart | None
    views: list[str]
    shares: str


class Manifest(_Part):
    """The whole file.

    Attributes:
        format: always ``xcgraph-model``.
        version: version of the format.
        made_by: name and version of the program that wrote the file.
        data: name of the dataset.
        num_labels: the number of labels.
        num_tokens: the number of tokens.
        reads_text: whether the model reads raw text.
        trees: the models of the ensemble.
        files: the SHA-256 of every other file, by name.
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
