"""LF-ChEBI: predict the chemical classes of a compound from its name.

The source is the ChEBI ontology of 2026-05-01 (CC BY 4.0) in the package cellxgene-ontology-guide 1.11.1 of
PyPI. A point is an entity; its text is its name. Its labels are the classes one or two steps above it; their
texts are name and definition.
"""

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from data_modules.builders.raw_set import RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

_MEMBER = re.compile(r"(?:^|/)CHEBI-ontology-[\d-]+\.json\.zst$")
_TAG = re.compile(r"<[^>]+>")
_MAX_STEPS = 2
_MAX_REASON = 200


def build(source: Path, folder: Path) -> dict[str, int]:
    """Write LF-ChEBI into a folder and return its statistics.

    Args:
        source: the wheel of cellxgene-ontology-guide, or ``CHEBI-ontology-2026-05-01.json.zst`` from it.
        folder: where to write.

    Raises:
        UserError: the file is damaged or holds no ontology, or pyarrow is not installed.
    """
    try:
        points, labels = _points_and_labels(_load(source))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{source}: expected terms with label and ancestors, found {type(error).__name__}: {error}; use "
            "the ontology of cellxgene-ontology-guide."
        ) from error
    return write_raw_set(folder, points, labels, source=source)


def _points_and_labels(found: dict[str, Any]) -> tuple[dict[str, RawPoint], dict[str, RawLabel]]:
    terms = {uid: term for uid, term in found.items() if not term.get("deprecated")}
    labels = {
        uid: RawLabel(one_space(term["label"]), one_space(_TAG.sub("", term.get("description", ""))))
        for uid, term in terms.items()
    }
    points = {}
    for uid, term in terms.items():
        near = (above for above, steps in term["ancestors"].items() if steps <= _MAX_STEPS)
        classes = frozenset(above for above in near if above in terms)
        points[uid] = RawPoint(labels[uid].title, "", classes)
    return points, labels


def _load(source: Path) -> dict[str, Any]:
    try:
        import pyarrow
    except ImportError as error:
        raise UserError(
            f"{source}: this file needs pyarrow to decompress it: pip install 'xcgraph[parquet]'."
        ) from error
    try:
        packed = _read_member(source) if zipfile.is_zipfile(source) else source.read_bytes()
        with pyarrow.input_stream(pyarrow.BufferReader(packed), compression="zstd") as stream:
            terms: dict[str, Any] = json.loads(stream.read())
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        raise UserError(
            f"{source}: expected a complete ontology, found: {reason}; download the file again."
        ) from error
    return terms


def _read_member(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if _MEMBER.search(name))
        if not names:
            raise UserError(
                f"{wheel}: expected CHEBI-ontology-DATE.json.zst in the wheel, found no such file; use the "
                "wheel of cellxgene-ontology-guide."
            )
        return archive.read(names[-1])  # the newest one: names differ only in the date
