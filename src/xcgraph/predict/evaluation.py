"""Measures a portable model on labelled points."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
from scipy.sparse import csr_array

from xcgraph.data.label_inputs import LabelRows, read_labels
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.predict.engine import Engine
from xcgraph.predict.model import PortableModel
from xcgraph.sparse import binary_rows

_log = logging.getLogger(__name__)


def evaluate_rows(model: PortableModel, engine: Engine, rows: csr_array, labels: object) -> dict[str, float]:
    """Return P, nDCG and R at 1, 3 and 5, and PSP and PSnDCG if the model knows propensities, as fractions.

    Labels that the model does not know are left out with a warning, as in a dataset with fixed labels.

    Args:
        model: the model.
        engine: its engine.
        rows: (points, tokens) token weights.
        labels: labels of the points in any form of :func:`~xcgraph.data.label_inputs.read_labels`.

    Raises:
        UserError: the labels have a wrong form, there are not as many rows as points, or the model knows none
            of them.
    """
    found = read_labels(labels)
    if len(found.rows) != rows.shape[0]:
        raise UserError(f"labels: expected {rows.shape[0]} rows, one for each point, got {len(found.rows)}.")
    targets = _columns(found, _known_ids(model))
    if not any(targets):
        raise UserError(
            "labels: the model knows none of these labels; give the ids that it was trained with."
        )
    ranked = engine.top(rows, model.top_k)
    kept = ranked.labels >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    shape = (rows.shape[0], model.num_labels)
    scores = csr_array((ranked.scores[kept], ranked.labels[kept], indptr), shape=shape)
    scores.sort_indices()
    weights = None if model.inverse_propensity is None else torch.from_numpy(model.inverse_propensity)
    split = Split(rows, binary_rows(targets, model.num_labels), NO_PAIRS)
    return evaluate_scores(scores, split, inverse_propensity=weights)


def _known_ids(model: PortableModel) -> Mapping[str, int]:
    ids = model.label_ids or range(model.num_labels)
    return {str(label): column for column, label in enumerate(ids)}


def _columns(found: LabelRows, known: Mapping[str, int]) -> list[list[int]]:
    unknown = {label for row in found.rows for label in row if label not in known}
    if unknown:
        _log.warning("%d labels that the model does not know are left out.", len(unknown))
    return [sorted(known[label] for label in row if label in known) for row in found.rows]
