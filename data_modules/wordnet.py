"""LF-WordNet: predict the synsets that a WordNet 3.0 synset points to; the archive is part of the package."""

import hashlib
import io
import lzma
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import PointTexts, Split, XCData
from xcgraph.errors import UserError
from xcgraph.sparse import binary_rows
from xcgraph.storage.user_paths import expand_home
from xcgraph.text.vectorizer import Vectorizer

EMBEDDED_ARCHIVE = Path(__file__).with_name("wordnet-3.0.tar.xz")
# A synset's id starts with the letter of its part of speech; adjective satellites count as adjectives.
LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
LABEL_POINTERS = frozenset(("@i", "#m", "#s", "#p", ";c", ";r", ";u", *"@*>&=+!^$<\\"))
# The class of an instance counts as a hypernym, so LF-WordNet-40K has 2.5 labels per point instead of 2.4.
HYPERNYM_POINTERS = frozenset(("@", "@i"))
# The fraction is part of the definition of the data set and must not change.
TEST_FRACTION = 0.3

# The position of an adjective: (a) before the noun, (p) after the verb, (ip) directly after the noun.
_SYNTACTIC_MARKER = re.compile(r"\((?:a|p|ip)\)$")
_REMEDY = "reinstall xcgraph or set data.archive to an intact copy"


class Synset(NamedTuple):
    """One synset of the data files.

    Attributes:
        name: words of the synset, which are its text as a label. Underscores are replaced by spaces, and
            syntactic markers such as ``(p)`` are removed.
        text: words and gloss of the synset, which are its text as a point.
        targets: ids of the targets of its label pointers, of any part of speech.
        hypernyms: ids among ``targets`` that are hypernyms or classes.
    """

    name: str
    text: str
    targets: tuple[str, ...]
    hypernyms: tuple[str, ...]


class WordNet(XCDataModule):
    """Synsets of WordNet 3.0 as points and as labels.

    The text of a point is its words and gloss; the text of a label is its words. The labels of a point are
    the targets of its pointers in ``LABEL_POINTERS``, and the hypernyms of its hypernyms. If two synsets
    would be labels of each other, only the pair from the larger id to the smaller is kept. Points without
    labels are dropped. A hash of the id selects 30 % of the remaining points for the test split. The set of
    labels is taken from the training points, and test points without any of these labels are dropped. A
    point that is also a label must not be predicted for itself, so such pairs are filtered in both splits.

    Args:
        name: name of the data set in reports.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.
        parts_of_speech: some of noun, verb, adj and adv, in any order. Pointers to other parts of speech are
            ignored.
        archive: a tar.xz of WordNet's data files (format: wndb(5WN)); None uses the embedded WordNet 3.0.
        text: vectorizer for all texts.
        statistics: expected values of ``train_points``, ``test_points`` and ``labels``; None checks nothing.

    Raises:
        UserError: a part of speech or a statistic is unknown.
    """

    def __init__(
        self,
        *,
        name: str,
        propensity_a: float,
        propensity_b: float,
        parts_of_speech: Sequence[str],
        text: Vectorizer,
        archive: str | Path | None = None,
        statistics: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(
            name=name, propensity_a=propensity_a, propensity_b=propensity_b, statistics=statistics
        )
        for part in parts_of_speech:
            if part not in LETTERS:
                raise UserError(
                    f"data.parts_of_speech: expected some of {', '.join(LETTERS)}, found {part}; "
                    "correct the name."
                )
        self.parts_of_speech = tuple(parts_of_speech)
        self.archive = expand_home(archive) if archive else EMBEDDED_ARCHIVE
        self.text = text

    def read(self) -> XCData:
        """Read the synsets, find their labels and split them; every call returns equal data.

        Raises:
            UserError: the archive is missing, damaged or not WordNet, or the statistics differ.
        """
        synsets = _read_synsets(self.archive, self.parts_of_speech)
        train, test, columns = _split_points(targets := _label_targets(synsets))
        label_names = tuple(synsets[label].name for label in columns)
        texts = _texts(synsets, train, test)
        features = self.text.fit_transform(texts.train, texts.test, label_texts=label_names)
        data = XCData(
            name=self.name,
            train=_split(train, features.train, targets, columns),
            test=_split(test, features.test, targets, columns),
            label_features=features.labels,
            label_names=label_names,
            vocabulary=features.vocabulary,
            vectorizer=features.vectorizer,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )
        self.check_statistics(data, self.archive)
        return data

    def point_texts(self) -> PointTexts:
        """Return the words and the gloss of each point."""
        synsets = _read_synsets(self.archive, self.parts_of_speech)
        return _texts(synsets, *_split_points(_label_targets(synsets))[:2])


def _texts(synsets: Mapping[str, Synset], train: Sequence[str], test: Sequence[str]) -> PointTexts:
    return PointTexts(*([synsets[point].text for point in points] for points in (train, test)))


def _split_points(targets: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str], dict[str, int]]:
    """Return training points, test points and the columns of labels, all ascending by id."""
    train = [point for point in targets if not _in_test(point)]
    labels = sorted({label for point in train for label in targets[point]})
    columns = {label: column for column, label in enumerate(labels)}
    test = [p for p in targets if _in_test(p) and not columns.keys().isdisjoint(targets[p])]
    return train, test, columns


def _read_synsets(archive: Path, parts_of_speech: Sequence[str]) -> dict[str, Synset]:
    """Read the synsets of some parts of speech by id, and check that the targets of their pointers exist."""
    synsets: dict[str, Synset] = {}
    for part, content in _read_members(archive, parts_of_speech).items():
        synsets |= _parse_file(content, LETTERS[part], where=f"{archive}, data.{part}")
    letters = {LETTERS[part] for part in parts_of_speech}
    for point, synset in synsets.items():
        for target in synset.targets:
            if target[0] in letters and target not in synsets:
                found = f"expected synset {target}, the target of a pointer of {point}, found no such synset"
                raise UserError(f"{archive}: {found}; {_REMEDY}.")
    return synsets


def _read_members(archive: Path, parts_of_speech: Sequence[str]) -> dict[str, bytes]:
    """Read the data file of each part of speech into memory, without unpacking files to disk."""
    try:
        with lzma.open(archive) as stream, tarfile.TarFile(fileobj=io.BytesIO(stream.read())) as members:
            return {part: _read_member(members, archive, f"data.{part}") for part in parts_of_speech}
    except FileNotFoundError as error:
        raise UserError(f"{archive}: expected WordNet's archive, found no such file; {_REMEDY}.") from error
    except (lzma.LZMAError, EOFError, tarfile.TarError, OSError) as error:
        raise UserError(f"{archive}: expected an intact tar.xz, found: {error}; {_REMEDY}.") from error


def _read_member(members: tarfile.TarFile, archive: Path, name: str) -> bytes:
    files = {member.name: member for member in members if member.isfile()}
    stream = members.extractfile(files[name]) if name in files else None
    if stream is None:
        found = ", ".join(sorted(files)) or "no file"
        raise UserError(f"{archive}: expected {name} in the archive, found {found}; {_REMEDY}.")
    return stream.read()


def _parse_file(content: bytes, letter: str, *, where: str) -> dict[str, Synset]:
    """Parse a data file with one synset per line; the licence at its head is indented by two spaces."""
    synsets: dict[str, Synset] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.startswith(b"  "):
            try:
                offset, synset = _parse_synset(line.decode(), letter)
            except (ValueError, IndexError) as error:
                found = f"expected a synset in the format wndb(5WN), found {line[:60]!r}"
                raise UserError(f"{where}, line {number}: {found}; {_REMEDY}.") from error
            synsets[letter + offset] = synset
    return synsets


def _parse_synset(line: str, letter: str) -> tuple[str, Synset]:
    """Parse ``offset file type num_words (word sense)… num_pointers (symbol offset type words)… | gloss``.

    Raises:
        ValueError: the line has another format.
        IndexError: the line is too short.
    """
    data, bar, gloss = line.partition("|")
    fields = data.split()
    words_end = 4 + 2 * int(fields[3], 16)
    num_pointers = int(fields[words_end])
    words = fields[4:words_end:2]
    symbols, offsets, types, ends = (
        fields[words_end + i : words_end + 1 + 4 * num_pointers : 4] for i in range(1, 5)
    )
    if fields[2].replace("s", "a") != letter or len(words) == 0 or len(ends) != num_pointers or not bar:
        raise ValueError
    pointers = [(symbol, kind + offset) for symbol, offset, kind in zip(symbols, offsets, types, strict=True)]
    name = ", ".join(_SYNTACTIC_MARKER.sub("", word).replace("_", " ") for word in words)
    return fields[0], Synset(
        name=name,
        text=f"{name} : {gloss.strip()}",
        targets=tuple(target for symbol, target in pointers if symbol in LABEL_POINTERS),
        hypernyms=tuple(target for symbol, target in pointers if symbol in HYPERNYM_POINTERS),
    )


def _label_targets(synsets: Mapping[str, Synset]) -> dict[str, list[str]]:
    """Return the labels of each point, both sorted by id; points without labels are dropped."""
    candidates = {point: _candidates(synset, synsets) for point, synset in sorted(synsets.items())}
    # Of two synsets that point to each other, the larger id is the point. A synset is not its own label.
    kept = (
        (point, sorted(t for t in found if t < point or point not in candidates[t]))
        for point, found in candidates.items()
    )
    return {point: labels for point, labels in kept if labels}


def _candidates(synset: Synset, synsets: Mapping[str, Synset]) -> set[str]:
    """Return targets and hypernyms of hypernyms that have one of the chosen parts of speech."""
    grandparents = (g for h in synset.hypernyms if h in synsets for g in synsets[h].hypernyms)
    return {target for target in (*synset.targets, *grandparents) if target in synsets}


def _in_test(point: str) -> bool:
    """Return whether a point is a test point; it depends on a hash of its id only, on no other point."""
    return int.from_bytes(hashlib.sha256(point.encode()).digest()[:8], "big") < TEST_FRACTION * 2**64


def _split(
    points: Sequence[str],
    features: csr_array,
    targets: Mapping[str, Sequence[str]],
    columns: Mapping[str, int],
) -> Split:
    """Return points with their labels as columns, and with the filter pairs of points that are labels."""
    rows = [[columns[label] for label in targets[point] if label in columns] for point in points]
    self_pairs = [(row, columns[point]) for row, point in enumerate(points) if point in columns]
    return Split(
        features=features,
        labels=binary_rows(rows, len(columns)),
        filter_pairs=np.array(self_pairs, np.int64).reshape(-1, 2),
    )
