"""Write points and labels as ``{trn,tst,lbl}.json.gz``, with a test split that depends on point ids alone."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xcgraph.errors import UserError

# Another fraction would define another data set.
TEST_FRACTION = 0.3


@dataclass(frozen=True)
class RawPoint:
    """A point: its title, its content, and the ids of its labels."""

    title: str
    content: str
    labels: frozenset[str]


@dataclass(frozen=True)
class RawLabel:
    """A label: its title and its content."""

    title: str
    content: str


def one_space(text: str) -> str:
    """Return the text with each run of white space replaced by one space."""
    return re.sub(r"\s+", " ", text).strip()


def is_test_point(uid: str) -> bool:
    """Return whether a point belongs to the test split; only its id decides."""
    number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    return number < TEST_FRACTION * 2**64


def write_raw_set(
    folder: Path, points: Mapping[str, RawPoint], labels: Mapping[str, RawLabel], *, source: Path
) -> dict[str, int]:
    """Write a data set into a folder and return its numbers of points and labels.

    The label set contains every label of a training point. Points without such a label are dropped. A point
    that is also a label must not be predicted for itself: ``filter_labels_*.txt`` lists these pairs.

    Args:
        folder: where to write; it is created if it does not exist.
        points: points by id.
        labels: labels by id, with an entry for each label of a point.
        source: file that the points come from, for the error message.

    Returns:
        The statistics ``train_points``, ``test_points`` and ``labels``.

    Raises:
        UserError: there are no training points or no test points.
    """
    train, test = _split(points)
    known = sorted({label for uid in train for label in points[uid].labels})
    columns = {label: column for column, label in enumerate(known)}
    test = [uid for uid in test if not columns.keys().isdisjoint(points[uid].labels)]
    if not train or not test:
        raise UserError(
            f"{source}: found {len(train)} training points and {len(test)} test points, expected some of "
            "each; use the file that the data set is built from."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for uids, file, part in ((train, "trn", "train"), (test, "tst", "test")):
        _write_lines(folder / f"{file}.json.gz", (_record(uid, points[uid], columns) for uid in uids))
        pairs = [f"{row} {columns[uid]}\n" for row, uid in enumerate(uids) if uid in columns]
        if pairs:
            (folder / f"filter_labels_{part}.txt").write_text("".join(pairs), "ascii")
    texts = ({"uid": uid, "title": labels[uid].title, "content": labels[uid].content} for uid in known)
    _write_lines(folder / "lbl.json.gz", texts)
    return {"train_points": len(train), "test_points": len(test), "labels": len(known)}


def _split(points: Mapping[str, RawPoint]) -> tuple[list[str], list[str]]:
    """Return the ids of the training points and of the test points that have labels, in ascending order."""
    train: list[str] = []
    test: list[str] = []
    for uid in sorted(points):
        if points[uid].labels:
            (test if is_test_point(uid) else train).append(uid)
    return train, test


def _record(uid: str, point: RawPoint, columns: Mapping[str, int]) -> dict[str, Any]:
    targets = sorted(columns[label] for label in point.labels if label in columns)
    return {
        "uid": uid,
        "title": point.title,
        "content": point.content,
        "target_ind": targets,
        "target_rel": [1.0] * len(targets),
    }


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    # The gzip header gets no name and no time: equal content gives equal files.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        for record in records:
            stream.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
