"""Writes a portable model as one file, for runtimes with torch but without xcgraph."""

from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from xcgraph.predict.engine import Engine
from xcgraph.predict.model import PortableModel
from xcgraph.predict.program import Program
from xcgraph.storage.artifacts import sync_file

PROGRAM = "program.pt2"
_CHECKED_POINTS = 64
_TOLERANCE = 2e-5


def save_program(model: PortableModel, folder: Path) -> None:
    """Write a model's program as ``program.pt2`` into a new folder, after comparing its rankings.

    Raises:
        UserError: a label has too many neighbours in a graph of the model for a padded table.
        RuntimeError: the program does not rank as the model does.
    """
    program = Program(model).eval()
    entries, points = torch.export.Dim("entries"), torch.export.Dim("points")
    exported = torch.export.export(
        program,
        _bags(model, points=3),
        dynamic_shapes={"tokens": {0: entries}, "weights": {0: entries}, "offsets": {0: points}},
        strict=False,
    )
    _check(exported.module(), model)
    torch.export.save(exported, folder / PROGRAM)
    sync_file(folder / PROGRAM)


def _bags(model: PortableModel, points: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return random texts of a few tokens each."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, points)
    tokens = rng.integers(0, model.num_tokens, lengths.sum())
    weights = rng.random(len(tokens), np.float32) + 0.1
    offsets = np.cumsum(lengths) - lengths
    return torch.from_numpy(tokens), torch.from_numpy(weights), torch.from_numpy(offsets)


def _check(program: nn.Module, model: PortableModel) -> None:
    """Compare a program with the engine; labels with almost equal scores may change places."""
    tokens, weights, offsets = _bags(model, _CHECKED_POINTS)
    rows = csr_array(
        (weights.numpy(), tokens.numpy(), np.append(offsets.numpy(), len(tokens))),
        shape=(_CHECKED_POINTS, model.num_tokens),
    )
    expected = Engine(model).top(rows, model.top_k)
    labels, scores = (part.numpy() for part in program(tokens, weights, offsets))
    far = np.abs(np.diff(expected.scores, axis=1)) > _TOLERANCE
    certain = np.pad(far, ((0, 0), (1, 0)), constant_values=True) & np.pad(far, ((0, 0), (0, 1)))
    scores_agree = np.allclose(scores, expected.scores, atol=_TOLERANCE)
    if not scores_agree or not (labels == expected.labels)[certain].all():
        raise RuntimeError("program.pt2 ranks other labels than its model; please report this as a bug.")
