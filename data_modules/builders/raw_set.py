"""Write points and labels as ``{trn,tst,lbl}.json.gz``, split by a hash of each point's id."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xcgraph.errors import UserError

TEST_FRACTION = 0.3  # part of each data set's definition


@dataclass(frozen=True)
class RawPoint:
    """A point: title, further text, and the ids of its labels."""

    title: str
    content: str
    labels: frozenset[str]


@dataclass(frozen=True)
class RawLabel:
    """A label: title and further text."""

    title: str
    content: str


@dataclass(frozen=True)
class BuiltSet:
    """Numbers of a data set that was written: what a recorded build is compared with."""

    train_points: int
    test_points: int
    labels: int


def one_space(text: str) -> str:
    """Return the text with runs of white space replaced by one space."""
    return re.sub(r"\s+", " ", text).strip()


def is_test_point(uid: str) -> bool:
    """Say whether a point belongs to the test split; its id alone decides."""
    number = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    return number < TEST_FRACTION * 2**64


def write_raw_set(folder: Path, points: Mapping[str, RawPoint], labels: Mapping[str, RawLabel]) -> BuiltSet:
    """Write a data set into a new folder.

    The labels are those of training points; points that are left without a label are dropped. A point that is
    also a label must not be predicted for itself: ``filter_labels_*.txt`` names these pairs.

    Args:
        folder: where to write; made if it does not exist.
        points: points by id.
        labels: labels by id; each label of a point is among them.

    Raises:
        UserError: there are no training points or no test points.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = sorted(
        {label for uid, point in points.items() if not is_test_point(uid) for label in point.labels}
    )
    columns = {label: column for column, label in enumerate(known)}
    splits: dict[str, list[str]] = {"trn": [], "tst": []}
    for uid in sorted(points):
        if any(label in columns for label in points[uid].labels):
            splits["tst" if is_test_point(uid) else "trn"].append(uid)
    if not all(splits.values()):
        raise UserError(
            f"{folder}: the source yields no training or no test points; is it the right archive?"
        )
    for part, uids in splits.items():
        _write_lines(folder / f"{part}.json.gz", (_record(uid, points[uid], columns) for uid in uids))
        pairs = [f"{row} {columns[uid]}\n" for row, uid in enumerate(uids) if uid in columns]
        if pairs:
            name = "train" if part == "trn" else "test"
            (folder / f"filter_labels_{name}.txt").write_text("".join(pairs), "ascii")
    texts = ((label, labels[label]) for label in known)
    _write_lines(
        folder / "lbl.json.gz",
        ({"uid": uid, "title": text.title, "content": text.content} for uid, text in texts),
    )
    return BuiltSet(len(splits["trn"]), len(splits["tst"]), len(known))


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
    # No name and no time in the header: equal content gives equal files.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        for record in records:
            stream.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
