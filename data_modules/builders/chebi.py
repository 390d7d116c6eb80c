"""LF-ChEBI: predict the chemical classes of a compound from its name.

Source: ChEBI of 2026-05-01 (CC BY 4.0) in the PyPI package cellxgene-ontology-guide 1.11.1. A point is an
entity: its name. Its labels are its classes and their classes, one or two steps up: name and definition.
"""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from data_modules.builders.raw_set import BuiltSet, RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

_MEMBER = re.compile(r"(?:^|/)CHEBI-ontology-[\d-]+\.json\.zst$")
_TAG = re.compile(r"<[^>]+>")
_MOST_STEPS = 2


def build(source: Path, folder: Path) -> BuiltSet:
    """Write LF-ChEBI into a folder.

    Args:
        source: the wheel of cellxgene-ontology-guide, or ``CHEBI-ontology-2026-05-01.json.zst`` from it.
        folder: where to write.

    Raises:
        UserError: the file is missing or holds no ontology.
    """
    terms = {uid: term for uid, term in _load(source).items() if not term.get("deprecated")}
    labels = {
        uid: RawLabel(one_space(term["label"]), one_space(_TAG.sub("", term.get("description", ""))))
        for uid, term in terms.items()
    }
    points = {}
    for uid, term in terms.items():
        near = (above for above, steps in term["ancestors"].items() if steps <= _MOST_STEPS)
        classes = frozenset(above for above in near if above in terms)
        if classes:
            points[uid] = RawPoint(labels[uid].title, "", classes)
    return write_raw_set(folder, points, labels)


def _load(source: Path) -> dict[str, dict[str, Any]]:
    if not source.is_file():
        raise UserError(f"{source}: no such file; get it with pip download cellxgene-ontology-guide==1.11.1.")
    try:
        import pyarrow
    except ImportError as error:
        raise UserError(
            "LF-ChEBI is packed with Zstandard, which needs pyarrow: pip install pyarrow."
        ) from error
    try:
        packed = _member(source) if zipfile.is_zipfile(source) else source.read_bytes()
        with pyarrow.input_stream(pyarrow.BufferReader(packed), compression="zstd") as stream:
            found: dict[str, dict[str, Any]] = json.loads(stream.read())
    except (OSError, ValueError) as error:
        raise UserError(f"{source}: not a whole ontology ({' '.join(str(error).split())[:200]}).") from error
    return found


def _member(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if _MEMBER.search(name))
        if not names:
            raise UserError(f"{wheel}: expected CHEBI-ontology-DATE.json.zst in it, found none.")
        return archive.read(names[-1])  # the newest: names differ in the date
