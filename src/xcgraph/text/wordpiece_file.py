"""Validates tokenizer files, which can come from an untrusted source: only one kind is accepted.

The package ``tokenizers`` supports more. Other definitions can pad to any length, use patterns that never
finish, or end the process because of contradictory rules.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MAX_IDS = 1 << 31


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Normalizer(_Part):
    type: Literal["BertNormalizer"]
    clean_text: bool
    handle_chinese_chars: bool
    strip_accents: bool | None
    lowercase: bool


class _PreTokenizer(_Part):
    type: Literal["BertPreTokenizer"]


class _Model(_Part):
    type: Literal["WordPiece"]
    unk_token: str
    continuing_subword_prefix: str
    max_input_chars_per_word: int = Field(ge=1, le=1000)
    vocab: dict[str, Annotated[int, Field(ge=0, lt=_MAX_IDS)]]

    @model_validator(mode="after")
    def _check_unk_token(self) -> "_Model":
        if self.unk_token not in self.vocab:
            raise ValueError(f"unk_token: expected a token of vocab, found {self.unk_token!r:.40}")
        return self


class WordPieceFile(_Part):
    """Schema of the tokenizers of :class:`~xcgraph.text.wordpiece.WordPieceVectorizer`, as JSON."""

    version: Literal["1.0"]
    truncation: None
    padding: None
    added_tokens: list[str] = Field(max_length=0)
    normalizer: _Normalizer
    pre_tokenizer: _PreTokenizer
    post_processor: None
    decoder: None
    model: _Model
