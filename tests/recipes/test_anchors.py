from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.recipes.anchors import LabelAnchors, MetadataAnchors, NoAnchors
from xcgraph.sparse import normalize_rows

WALKS = RandomWalkGraph(walk_length=40, num_neighbors=4)


def edges(matrix):
    """Return the edges, and the links that only exclude negatives."""
    coo = matrix.tocoo()
    pairs = list(zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True))
    return tuple({(row, column) for row, column, value in pairs if value == kind} for kind in (1, 0))


def nearest(reach, known, most):
    order = sorted(np.flatnonzero(reach).tolist(), key=lambda anchor: (-reach[anchor], anchor))
    return [anchor for anchor in order if not known[anchor]][:most]


# --- labels as anchors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_anchors", [1, 3])
def test_label_anchors_are_the_nearest_labels_in_the_graph(toy, tmp_path, num_anchors):
    work = toy.workspace(tmp_path)
    (found,) = LabelAnchors(graph=WALKS, num_anchors=num_anchors).find(work)
    graph = WALKS.build(work.train.labels, None, work.seed_for("anchors")).toarray()
    carried = work.train.labels.toarray()
    for matrix, known in ((found.points, carried), (found.labels, np.eye(40))):
        drawn, spared = edges(matrix)
        assert spared == set(zip(*(axis.tolist() for axis in np.nonzero(known)), strict=True))
        expected = {
            (row, a)
            for row in range(len(known))
            for a in nearest(known[row] @ graph, known[row], num_anchors)
        }
        assert drawn == expected
        assert drawn
    assert found.features is work.label_features
    assert (found.anchor_labels.toarray() == np.eye(40)).all()


def test_graph_is_built_once(toy, tmp_path, monkeypatch):
    source = LabelAnchors(graph=WALKS)
    (first,) = source.find(toy.workspace(tmp_path))
    monkeypatch.setattr(RandomWalkGraph, "build", lambda *_: pytest.fail("It is stored."))
    (second,) = source.find(toy.workspace(tmp_path))
    assert edges(first.points) == edges(second.points)


# --- anchors from metadata ------------------------------------------------------------------------------


@pytest.fixture
def work(toy, tmp_path):
    """A workspace with two graphs; anchor 0 of the first and all anchors of the second have no labels."""
    rng = np.random.default_rng(5)
    graphs = {
        name: GraphMetadata(
            train=csr_array((rng.random((200, 12)) < 0.2).astype(np.float32)),
            labels=csr_array((rng.random((40, 12)) * (np.arange(12) > 0) > 0.8).astype(np.float32))
            if name == "a"
            else None,
        )
        for name in ("a", "b")
    }
    return toy.workspace(tmp_path, data=replace(toy.data, metadata=graphs))


def test_metadata_anchors_are_the_links_and_the_nearest_by_walks(work):
    found = MetadataAnchors(graphs=None, walks=WALKS, num_anchors=2).find(work)
    assert len(found) == 2
    for name, anchors in zip("ab", found, strict=True):
        given = work.metadata[name]
        near = WALKS.build(given.train, None, work.seed_for("anchors", name)).toarray()
        of_labels = np.zeros((40, 12)) if given.labels is None else given.labels.toarray()
        for matrix, known in ((anchors.points, given.train.toarray()), (anchors.labels, of_labels)):
            drawn, spared = edges(matrix)
            added = {(row, a) for row in range(len(known)) for a in nearest(known[row] @ near, known[row], 2)}
            assert drawn == added | set(zip(*(axis.tolist() for axis in np.nonzero(known)), strict=True))
            assert not spared
        assert (anchors.anchor_labels.toarray() > 0).tolist() == (of_labels.T > 0).tolist()
    assert not found[1].labels.nnz


def test_anchor_text_is_the_mean_of_linked_texts(work):
    anchors, _ = MetadataAnchors(graphs=None, walks=WALKS).find(work)
    given = work.metadata["a"]
    sums = np.zeros((12, work.label_features.shape[1]))
    for links, texts in ((given.train, work.train.features), (given.labels, work.label_features)):
        for row, anchor in zip(*links.nonzero(), strict=True):
            sums[anchor] += texts[[row]].toarray()[0]
    expected = normalize_rows(csr_array(sums)).toarray()
    np.testing.assert_allclose(anchors.features.toarray(), expected, rtol=1e-5, atol=1e-7)


def test_identity_walks_add_no_anchors(work):
    (anchors,) = MetadataAnchors(graphs=["a"], walks=IdentityGraph()).find(work)
    assert (anchors.points.toarray() == work.metadata["a"].train.toarray()).all()


@pytest.mark.parametrize(
    ("graphs", "message"), [(["a", "c"], "expected graph metadata, c, found a, b"), ([], "some, found a, b")]
)
def test_missing_graph_is_refused(work, graphs, message):
    with pytest.raises(UserError, match=message):
        MetadataAnchors(graphs=graphs, walks=WALKS).find(work)


def test_dataset_without_metadata_is_refused(toy, tmp_path):
    with pytest.raises(UserError, match=r"some, found none; .*anchors=label_graph"):
        MetadataAnchors(graphs=None, walks=WALKS).find(toy.workspace(tmp_path))


def test_no_anchors_finds_none(toy, tmp_path):
    assert NoAnchors().find(toy.workspace(tmp_path)) == ()


@pytest.mark.parametrize(
    "make",
    [lambda **k: LabelAnchors(graph=WALKS, **k), lambda **k: MetadataAnchors(graphs=None, walks=WALKS, **k)],
)
def test_num_anchors_must_be_positive(make):
    with pytest.raises(UserError, match=r"anchors\.num_anchors must be ≥ 1, got 0"):
        make(num_anchors=0)
