"""Training (Modules I to IV of ECLARE, one tree) and prediction of the reference."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid
from torch.utils.data import DataLoader

from benchmarks.reference.model import Embeddings, Model, gathered_scores, smoothed_texts
from benchmarks.reference.points import (
    Bag,
    CollateShortlists,
    LabelBatch,
    MetaPoints,
    ShortlistBatch,
    ShortlistedPoints,
    collate_meta,
)
from benchmarks.reference.training import Clock, Training
from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels, label_centroids
from xcgraph.data.xc_data import Split
from xcgraph.graph.game import expand_scores, meta_graph
from xcgraph.graph.random_walk import RandomWalkGraph

MIX = 0.5  # weight of the neighbours' scores in GAME


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Settings of the reference.

    Attributes:
        surrogate: training of Module I.
        shortlister: training of Module II.
        ranker: training of Module IV.
        dim: D, the length of all vectors.
        num_meta_labels: K, a power of two.
        beam_size: meta-labels per point.
        top_k: predicted labels per point.
        join_neighbours: if true, add the neighbours of shortlisted labels to the shortlists in training.
        num_workers: number of processes that slice points.
        seed: random seed for the whole run.
    """

    surrogate: Training
    shortlister: Training
    ranker: Training
    dim: int = 300
    num_meta_labels: int = 1 << 11
    beam_size: int = 50
    top_k: int = 100
    join_neighbours: bool = True
    num_workers: int = 0
    seed: int = 0

    def fit(self, train: Split, label_features: csr_array, clock: Clock) -> "FittedReference":
        """Train all modules and record their times in ``clock``."""
        torch.manual_seed(self.seed)
        builder = RandomWalkGraph()
        with clock.step("graph of the surrogate"):
            graph = builder.build(train.labels, None, self.seed)
        with clock.step("clusters of the surrogate"):
            metas = self._cluster(train.features, train.labels, label_features, graph)
        embeddings = Embeddings(label_features.shape[1], self.dim)
        between = self._between(metas, graph)
        meta_texts = _all_labels(metas.meta_features(label_features), between)
        self._fit_meta(self.surrogate, Model(embeddings), train, metas, meta_texts, clock)
        embeddings.requires_grad_(False)

        with clock.step("graph"):
            texts = embeddings.embed(Bag.of(label_features)).numpy()
            graph = builder.build(train.labels, texts, self.seed + 1)
        with clock.step("clusters"):
            vectors = embeddings.embed(Bag.of(train.features)).numpy()
            metas = self._cluster(vectors, train.labels, texts, graph)
            between = self._between(metas, graph)
            meta_texts = _all_labels(metas.meta_features(label_features), between)
        shortlister = Model(embeddings, smoothed_texts(embeddings, meta_texts))
        self._fit_meta(self.shortlister, shortlister, train, metas, meta_texts, clock)

        all_labels = _all_labels(label_features, graph)
        ranker = Model(embeddings, smoothed_texts(embeddings, all_labels))
        fitted = FittedReference(
            self,
            shortlister,
            ranker,
            metas.membership(),
            between,
            graph,
            meta_texts,
            all_labels,
            label_features,
        )
        with clock.step("beams of the training points"):
            beams = fitted.beams(train.features)
        points = ShortlistedPoints(train.features, train.labels, beams, fitted.members)
        collate = CollateShortlists(label_features, graph, self.join_neighbours)
        self.ranker.fit(
            ranker,
            self.load(points, collate, shuffle=True),
            lambda batch: _shortlist_loss(ranker.score_shortlists(batch), batch),
            clock,
        )
        return fitted

    def load(self, points: MetaPoints | ShortlistedPoints, collate: object, *, shuffle: bool) -> DataLoader:
        """Return a loader of batches."""
        return DataLoader(
            points,
            batch_size=self.surrogate.batch_size,
            shuffle=shuffle,
            collate_fn=collate,
            num_workers=self.num_workers,
        )

    def _cluster(
        self,
        points: csr_array | np.ndarray,
        labels: csr_array,
        texts: csr_array | np.ndarray,
        graph: csr_array,
    ) -> MetaLabels:
        centroids = label_centroids(points, labels, texts, graph)
        assignment = BalancedTree().fit(centroids, self.num_meta_labels, self.seed)
        return MetaLabels(assignment, int(assignment.max()) + 1)

    def _between(self, metas: MetaLabels, graph: csr_array) -> csr_array:
        return meta_graph(graph, metas.membership(), 10)

    def _fit_meta(
        self,
        training: Training,
        model: Model,
        train: Split,
        metas: MetaLabels,
        labels: LabelBatch,
        clock: Clock,
    ) -> None:
        points = MetaPoints(train.features, metas.meta_targets(train.labels))

        def loss_of(batch: tuple[Bag, Tensor]) -> Tensor:
            texts, targets = batch
            return binary_cross_entropy_with_logits(model.score_all(texts, labels), targets)

        training.fit(model, self.load(points, collate_meta, shuffle=True), loss_of, clock)


@dataclass(frozen=True)
class FittedReference:
    """The trained tree of the reference."""

    recipe: Reference
    shortlister: Model
    ranker: Model
    members: csr_array
    meta_graph: csr_array
    graph: csr_array
    meta_texts: LabelBatch
    all_labels: LabelBatch
    label_features: csr_array

    @torch.no_grad()
    def beams(self, features: csr_array) -> csr_array:
        """Return (points, meta) log-probabilities of the best meta-labels, after GAME."""
        beam = min(self.recipe.beam_size, self.members.shape[0])
        points = MetaPoints(features, csr_array((features.shape[0], self.members.shape[0]), dtype=np.float32))
        vectors = self.shortlister.eval().encode_labels(self.meta_texts)
        batches = self.recipe.load(points, collate_meta, shuffle=False)
        found = (
            (self.shortlister.encode_points(texts) @ vectors.T).sigmoid().topk(beam) for texts, _ in batches
        )
        scores = _rows(((best.values, best.indices) for best in found), self.members.shape[0])
        expanded = expand_scores(scores, self.meta_graph, MIX, beam)
        expanded.data = np.log(expanded.data.clip(min=np.finfo(np.float32).tiny))
        return expanded

    @torch.no_grad()
    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores: σ(h·x̂) · σ(w·x̂), followed by GAME."""
        num_labels = self.graph.shape[0]
        no_labels = csr_array((features.shape[0], num_labels), dtype=np.float32)
        points = ShortlistedPoints(features, no_labels, self.beams(features), self.members)
        vectors = self.ranker.eval().encode_labels(self.all_labels)
        collate = CollateShortlists(self.label_features, self.graph, join_neighbours=False)

        def ranked() -> Iterator[tuple[Tensor, Tensor]]:
            for batch in self.recipe.load(points, collate, shuffle=False):
                labels = batch.labels.ids[batch.positions]
                logits = gathered_scores(self.ranker.encode_points(batch.points), vectors, labels)
                scores = (logsigmoid(logits) + batch.log_prior).exp().masked_fill(batch.is_padding, -1)
                best = scores.topk(min(self.recipe.top_k, scores.shape[1]))
                yield best.values, labels.gather(1, best.indices)

        return expand_scores(_rows(ranked(), num_labels), self.graph, MIX, self.recipe.top_k)


def _all_labels(features: csr_array, graph: csr_array) -> LabelBatch:
    return LabelBatch.of(np.arange(features.shape[0]), features, graph)


def _shortlist_loss(logits: Tensor, batch: ShortlistBatch) -> Tensor:
    """Return the mean loss over batch × shortlist; the loss of padding is zero."""
    weight = (~batch.is_padding).float()
    return binary_cross_entropy_with_logits(logits, batch.targets, weight=weight)


def _rows(best: Iterator[tuple[Tensor, Tensor]], num_columns: int) -> csr_array:
    """Build sparse rows from batches of (values, columns); negative values mark missing entries."""
    counts, values, columns = [[0]], [], []
    for batch, places in best:
        kept = batch >= 0
        counts.append(kept.sum(dim=1).numpy())
        values.append(batch[kept].numpy())
        columns.append(places[kept].numpy())
    indptr = np.cumsum(np.concatenate(counts))
    return csr_array(
        (np.concatenate(values), np.concatenate(columns), indptr), shape=(len(indptr) - 1, num_columns)
    )
