"""Vectorize the texts of files once, and keep the features in memory-mapped matrices."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import ArtifactStore, write_atomically
from xcgraph.storage.safe_files import read_json
from xcgraph.storage.stored_csr import CsrPart, CsrWriter, open_csr
from xcgraph.text.fitted_vectorizer import FittedVectorizer
from xcgraph.text.vectorizer import Vectorizer

__all__ = ["StoredFeatures", "TextSource", "read_features"]

_log = logging.getLogger(__name__)

_MAX_REASON_LENGTH = 200
_PARTS = ("train", "test", "labels")


@runtime_checkable
class TextSource(Protocol):
    """The texts of a file, one on each line or in records. Each iteration reads the file again."""

    source: Path

    def __iter__(self) -> Iterator[str]:
        """Yield the texts."""

    def inputs(self) -> Mapping[str, object]:
        """Return everything that the texts depend on, as part of a cache key."""

    def note(self) -> str:
        """Return a warning about the last iteration, or an empty text."""


@dataclass(frozen=True)
class StoredFeatures:
    """Features computed from texts, memory-mapped and read-only.

    Attributes:
        train: (train points, tokens) float32.
        test: (test points, tokens) float32.
        labels: (labels, tokens) float32.
        vocabulary: one token per column.
        vectorizer: fitted vectorizer for new texts; None if the kind of features does not allow one.
    """

    train: csr_array
    test: csr_array
    labels: csr_array
    vocabulary: tuple[str, ...]
    vectorizer: FittedVectorizer | None


def read_features(files: Mapping[str, TextSource], text: Vectorizer, cache: ArtifactStore) -> StoredFeatures:
    """Vectorize all texts, or return the result of an earlier call from the cache.

    Args:
        files: texts of the parts ``train``, ``test`` and ``labels``.
        text: the vectorizer.
        cache: store that keeps the features.

    Raises:
        UserError: a file is missing or damaged, or no token remains.
    """

    def build(folder: Path) -> None:
        fitted = text.fit_transform(files["train"], files["test"], label_texts=files["labels"])
        for part in _PARTS:
            _store(folder, part, getattr(fitted, part))
        write_atomically(folder / "vocabulary.json", json.dumps(fitted.vocabulary))
        if fitted.vectorizer is not None:
            fitted.vectorizer.save(folder)
        write_atomically(folder / "notes.json", json.dumps({part: files[part].note() for part in _PARTS}))

    inputs = {"text": text, "reader": "kept", **{part: files[part].inputs() for part in _PARTS}}
    artifact = cache.make("text-features", inputs, build)
    try:
        notes = read_json(artifact.path("notes.json"))
        vocabulary = tuple(map(str, read_json(artifact.path("vocabulary.json"))))
        vectorizer = FittedVectorizer.load(artifact.folder, vocabulary)
        notes = {part: notes[part] for part in _PARTS}
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{artifact.folder}: expected stored features of texts, found damage "
            f"({str(error)[:_MAX_REASON_LENGTH]}); remove the folder, and the next run creates it again."
        ) from error
    for part, note in notes.items():
        if note:
            _log.warning("%s: %s.", files[part].source, note)
    return StoredFeatures(
        **{part: open_csr(artifact.folder, part) for part in _PARTS},
        vocabulary=vocabulary,
        vectorizer=vectorizer,
    )


def _store(folder: Path, name: str, matrix: csr_array) -> None:
    with CsrWriter(folder, name, matrix.shape[1]) as writer:
        writer.append(CsrPart(matrix.indptr[1:], matrix.indices, matrix.data))
