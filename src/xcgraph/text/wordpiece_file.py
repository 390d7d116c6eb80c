"""The one kind of tokenizer that is taken from a file, which may come from anybody.

The package ``tokenizers`` can do more: pad to any length, cut by patterns that take forever, end the process
where rules contradict each other.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_NUMBERS = 1 << 31


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
    vocab: dict[str, Annotated[int, Field(ge=0, lt=_NUMBERS)]]

    @model_validator(mode="after")
    def _knows_the_unknown(self) -> "_Model":
        if self.unk_token not in self.vocab:
            raise ValueError("unk_token: expected a token of vocab, found another")
        return self


class WordPieceFile(_Part):
    """What :class:`~xcgraph.text.wordpiece.WordPieceVectorizer` makes, as ``Tokenizer.to_str`` writes it."""

    version: Literal["1.0"]
    truncation: None
    padding: None
    added_tokens: list[str] = Field(max_length=0)
    normalizer: _Normalizer
    pre_tokenizer: _PreTokenizer
    post_processor: None
    decoder: None
    model: _Model
