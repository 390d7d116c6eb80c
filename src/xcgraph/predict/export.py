"""From a trained model to a portable one."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.nn.blocks import Foldable
from xcgraph.nn.encoder import BagOfTokens, Encoder, ShiftedSumOfTokens, SumOfTokens
from xcgraph.nn.likelihood import Logistic, Softmax
from xcgraph.predict.model import (
    Block,
    PointEncoder,
    PortableMember,
    PortableModel,
    Scoring,
)
from xcgraph.recipes.models import Ensemble, Game, Retriever, Tree
from xcgraph.recipes.nearest_shortlister import NearestShortlister
from xcgraph.recipes.shortlister import Shortlister, TreeShortlister
from xcgraph.runs.reopen import task_view_shares
from xcgraph.runs.run import Model
from xcgraph.tasks.dual_task import DualTask
from xcgraph.tasks.xc_task import XCTask


def portable(model: Model, data: XCData) -> PortableModel:
    """Take from a trained model what prediction needs.

    Args:
        model: an ensemble, or a retriever. An approximate index of labels is left behind: a
            portable model searches exactly.
        data: what it was trained on: names and tokens.

    Raises:
        UserError: a part of it has no portable form.
    """
    trees = [_member(member) for member in (model.members if isinstance(model, Ensemble) else (model,))]
    seen: list[NDArray[np.float32]] = []
    return PortableModel(
        data=data.name,
        trees=tuple(_sharing(tree, seen) for tree in trees),
        label_names=data.label_names,
        vocabulary=data.vocabulary,
        vectorizer=data.vectorizer,
    )


def _member(member: Model) -> PortableMember:
    if isinstance(member, Tree):
        return _tree(member)
    if isinstance(member, Retriever):
        return _retriever(member)
    raise _no_form(member)


def _tree(tree: Tree) -> PortableMember:
    ranker = tree.ranker
    if not isinstance(ranker.task.likelihood, Logistic):  # whose probabilities multiply with a meta-label's
        raise _no_form(ranker.task.likelihood)
    views = task_view_shares(ranker.task)
    names = tuple(views)
    num_labels = ranker.graph.shape[0]
    return PortableMember(
        shortlister=_shortlister(tree.shortlister),
        members=tree.shortlister.members,
        ranker=_scoring(ranker.task, ranker.graph, ranker.config.game_mix, ranker.config.top_k),
        views=names,
        shares=np.stack([_array(views[name]) for name in names], axis=1)
        if names
        else np.empty((num_labels, 0), np.float32),
    )


def _shortlister(shortlister: Shortlister) -> Scoring:
    if isinstance(shortlister, TreeShortlister):
        config = shortlister.config
        return _scoring(shortlister.task, shortlister.graph, config.game_mix, config.beam_size)
    if isinstance(shortlister, NearestShortlister):
        return Scoring(
            encoder=PointEncoder(embedding=_embedding(shortlister.encoder), block=None),
            vectors=shortlister.vectors,
            bias=0.0,
            link="cosine",
            graph=shortlister.graph,
            game_mix=shortlister.config.game_mix,
            top_k=shortlister.config.beam_size,
        )
    raise _no_form(shortlister)


def _retriever(model: Retriever) -> PortableMember:
    count, task = model.num_labels, model.task
    game = model.game or Game(csr_array((count, count), dtype=np.float32), 0.0)
    if isinstance(task, XCTask):
        scoring = _scoring(task, game.graph, game.mix, model.top_k)
    elif isinstance(task, DualTask):
        scoring = _cosines(task, game, model.top_k)
    else:
        raise _no_form(task)
    return PortableMember(
        shortlister=scoring,
        members=csr_array(eye_array(count, dtype=np.float32, format="csr")),
        ranker=None,
        views=(),
        shares=np.empty((count, 0), np.float32),
    )


def _cosines(task: DualTask, game: Game, top_k: int) -> Scoring:
    with torch.no_grad():
        vectors = _array(task.label_vectors())
    return Scoring(
        encoder=PointEncoder(embedding=_embedding(task.encoder.encoder), block=None),
        vectors=vectors,
        bias=0.0,
        link="cosine",
        graph=game.graph,
        game_mix=float(game.mix),
        top_k=top_k,
    )


def _sharing(tree: PortableMember, seen: list[NDArray[np.float32]]) -> PortableMember:
    """Let equal embeddings be one array: frozen ones are those of all trees."""

    def shared(scoring: Scoring) -> Scoring:
        own = scoring.encoder.embedding
        known = next((other for other in seen if np.array_equal(own, other)), None)
        if known is None:
            seen.append(own)
            return scoring
        return replace(scoring, encoder=replace(scoring.encoder, embedding=known))

    ranker = None if tree.ranker is None else shared(tree.ranker)
    return replace(tree, shortlister=shared(tree.shortlister), ranker=ranker)


def _scoring(task: XCTask, graph: csr_array, game_mix: float, top_k: int) -> Scoring:
    task.eval()
    with torch.no_grad():
        vectors = _array(task.label_vectors())
    return Scoring(
        encoder=_encoder(task.encoder),
        vectors=vectors,
        bias=task.classifier.bias.item(),
        link="softmax" if isinstance(task.likelihood, Softmax) else "logistic",
        graph=graph,
        game_mix=float(game_mix),
        top_k=top_k,
    )


def _embedding(encoder: Encoder) -> NDArray[np.float32]:
    if not isinstance(encoder, SumOfTokens):
        raise _no_form(encoder)
    return _array(encoder.embedding.weight)


def _encoder(encoder: Encoder) -> PointEncoder:
    embedding = _embedding(encoder)
    if not isinstance(encoder, BagOfTokens):
        shift = _array(encoder.shift) if isinstance(encoder, ShiftedSumOfTokens) else None
        return PointEncoder(embedding=embedding, block=None, unit_norm=False, shift=shift)
    if not isinstance(encoder.block, Foldable):
        raise _no_form(encoder.block)
    folded = encoder.block.folded()
    block = Block(keep=_array(folded.keep), weight=_array(folded.weight), bias=_array(folded.bias))
    return PointEncoder(embedding=embedding, block=block)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().float().contiguous().numpy()
    return array


def _no_form(part: object) -> UserError:
    return UserError(
        f"Expected a model whose parts have a portable form, such as BagOfTokens with ResidualBlock, found "
        f"{type(part).__name__}, which has none: such a model predicts through its recipe alone."
    )
