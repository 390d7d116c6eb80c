"""Read and write graph metadata, ``NAME_{trn,tst,lbl}_X_Y.{txt,npz}``, as in the data of OAK and RAMEN."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from xcgraph.data.metadata import GraphMetadata
from xcgraph.formats.content import SourcedCount, align_columns, compare, count_rows
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.matrix_files import read_matrix
from xcgraph.formats.write import write_rows
from xcgraph.storage.artifacts import ArtifactStore

__all__ = ["read_metadata", "write_metadata"]

_log = logging.getLogger(__name__)

_PATTERN = re.compile(r"(?P<name>.+)_(?:trn|tst|lbl)_X_Y\.(?:txt|txt\.gz|npz)")
_PARTS = {"train": "trn", "test": "tst", "labels": "lbl"}


def read_metadata(
    files: FolderFiles, cache: ArtifactStore, rows: Mapping[str, SourcedCount]
) -> dict[str, GraphMetadata]:
    """Read all graph metadata of a folder.

    Graphs without training points, such as the predictions of a linker, are ignored with a warning.

    Args:
        files: the folder.
        cache: store that keeps converted files.
        rows: numbers of ``train`` points, ``test`` points and ``labels``.

    Returns:
        The graphs by name.

    Raises:
        UserError: a file is damaged or has the wrong number of rows, or the files of a graph disagree on the
            number of anchors.
    """
    found = {match["name"] for path in files.folder.iterdir() if (match := _PATTERN.fullmatch(path.name))}
    graphs = {}
    for name in sorted(found):
        paths = {part: files.find(*_file_names(name, part)) for part in _PARTS}
        if paths["train"] is None:
            _log.warning(
                "%s: graph metadata %s is ignored because there is no %s.",
                files.folder, name, _file_names(name, "train")[0],
            )  # fmt: skip
            continue
        matrices = {part: read_matrix(path, cache) for part, path in paths.items() if path is not None}
        for part, matrix in matrices.items():
            compare("rows", rows[part], count_rows(matrix))
        align_columns("anchors", list(matrices.values()), ())
        graphs[name] = GraphMetadata(**{part: file.matrix for part, file in matrices.items()})
    return graphs


def write_metadata(folder: Path, ending: str, metadata: Mapping[str, GraphMetadata]) -> None:
    """Write graphs as text files, with ``ending`` (``.gz`` or empty) after their names."""
    for name, graph in metadata.items():
        for part, matrix in graph.parts():
            write_rows(folder / (_file_names(name, part)[0] + ending), matrix)


def _file_names(name: str, part: str) -> tuple[str, str]:
    stem = f"{name}_{_PARTS[part]}_X_Y"
    return f"{stem}.txt", f"{stem}.npz"
