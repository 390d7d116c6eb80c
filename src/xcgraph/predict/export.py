"""Turns a trained model into a portable one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.xc_data import XCData
from xcgraph.metrics.calibration import Calibration
from xcgraph.metrics.evaluate import training_inverse_propensity
from xcgraph.predict.model import PortableMember, PortableModel, Scoring
from xcgraph.recipes.portable import portable_members
from xcgraph.runs.run import Model


def portable(model: Model, data: XCData, calibration: Calibration | None = None) -> PortableModel:
    """Return all that prediction needs of a trained model.

    Each part describes itself: models and shortlisters by ``portable``, tasks by ``scoring``, encoders by
    ``portable``, blocks by ``folded`` and likelihoods by ``link``.

    Args:
        model: the trained model. Its approximate index of labels, if any, is not exported: a portable model
            searches exactly.
        data: the dataset of its training, for names of labels and tokens.
        calibration: turns scores into probabilities; None leaves the model without probabilities.

    Raises:
        UserError: a part of the model has no portable form.
    """
    return PortableModel(
        data=data.name,
        trees=_share_embeddings(portable_members(model)),
        label_names=data.label_names,
        label_ids=data.label_ids,
        vocabulary=data.vocabulary,
        vectorizer=data.vectorizer,
        inverse_propensity=training_inverse_propensity(data).float().numpy(),
        calibration=calibration,
    )


def _share_embeddings(trees: Sequence[PortableMember]) -> tuple[PortableMember, ...]:
    """Replace equal embeddings by one array: all trees have the same frozen embeddings."""
    seen: list[NDArray[np.float32]] = []

    def shared(scoring: Scoring) -> Scoring:
        own = scoring.encoder.embedding
        known = next((other for other in seen if np.array_equal(own, other)), None)
        if known is None:
            seen.append(own)
            return scoring
        return replace(scoring, encoder=replace(scoring.encoder, embedding=known))

    return tuple(
        replace(
            tree,
            shortlister=shared(tree.shortlister),
            ranker=None if tree.ranker is None else shared(tree.ranker),
        )
        for tree in trees
    )
