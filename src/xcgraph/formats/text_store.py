"""Token weights of texts in files, made once and kept in memory-mapped matrices."""

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

_LONGEST_REASON = 200
_PARTS = ("train", "test", "labels")


@runtime_checkable
class TextSource(Protocol):
    """Texts in a file: one a line, or in records. Every iteration reads the file anew."""

    source: Path

    def __iter__(self) -> Iterator[str]:
        """Give the texts."""

    def inputs(self) -> Mapping[str, object]:
        """Describe all that the texts depend on."""

    def note(self) -> str:
        """Say what was odd in the last iteration, if anything."""


@dataclass(frozen=True)
class StoredFeatures:
    """Token weights, memory-mapped and read-only.

    Attributes:
        train: (train points, tokens) float32.
        test: (test points, tokens) float32.
        labels: (labels, tokens) float32.
        vocabulary: one token per column.
        vectorizer: of further texts; None where nothing here can read them.
    """

    train: csr_array
    test: csr_array
    labels: csr_array
    vocabulary: tuple[str, ...]
    vectorizer: FittedVectorizer | None


def read_features(files: Mapping[str, TextSource], text: Vectorizer, cache: ArtifactStore) -> StoredFeatures:
    """Weigh the tokens of all texts, or take what an earlier call has kept.

    Args:
        files: the texts of ``train``, ``test`` and ``labels``.
        text: how texts become token weights.
        cache: where they are kept.

    Raises:
        UserError: a file is missing or damaged, or no token is left.
    """

    def build(folder: Path) -> None:
        weighed = text.fit_transform(files["train"], files["test"], label_texts=files["labels"])
        for part in _PARTS:
            _store(folder, part, getattr(weighed, part))
        write_atomically(folder / "vocabulary.json", json.dumps(weighed.vocabulary))
        if weighed.vectorizer is not None:
            weighed.vectorizer.save(folder)
        write_atomically(folder / "notes.json", json.dumps({part: files[part].note() for part in _PARTS}))

    inputs = {"text": text, "reader": "kept", **{part: files[part].inputs() for part in _PARTS}}
    artifact = cache.make("text-features", inputs, build)
    try:
        notes = read_json(artifact.path("notes.json"))
        vocabulary = tuple(map(str, read_json(artifact.path("vocabulary.json"))))
        vectorizer = FittedVectorizer.load(artifact.folder, vocabulary)
        found = {part: notes[part] for part in _PARTS}
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{artifact.folder}: expected stored texts, found {str(error)[:_LONGEST_REASON]}; remove the "
            "folder, and it is made anew."
        ) from error
    for part, note in found.items():
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
