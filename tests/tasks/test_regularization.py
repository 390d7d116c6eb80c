import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.errors import UserError
from xcgraph.nn.regularizer import GraphRegularizer, NoRegularizer
from xcgraph.nn.triplet import TripletLoss
from xcgraph.tasks.regularization import NoRegularization, contrast
from xcgraph.tasks.regularized_task import RegularizedTask


def make_anchors(num_anchors, seed):
    rng = np.random.default_rng(seed)

    def random(rows, columns):
        return csr_array((rng.random((rows, columns)) < 0.4).astype(np.float32))

    return AnchorSet(
        features=random(num_anchors, 20),
        points=random(10, num_anchors),
        labels=random(6, num_anchors),
        anchor_labels=random(num_anchors, 6),
    )


SETS = (make_anchors(7, 0), make_anchors(9, 1))


@pytest.mark.parametrize(
    ("graphs", "of_points", "of_labels"),
    [(["points", "labels"], 2, 2), (["labels", "points"], 2, 2), (["points"], 2, 0), (["labels"], 0, 2)],
)
def test_each_anchor_set_and_graph_has_a_term(toy, graphs, of_points, of_labels):
    found = toy.regularization(graphs=graphs).build(SETS)
    assert isinstance(found, GraphRegularizer)
    assert (len(found.of_points), len(found.of_labels)) == (of_points, of_labels)
    assert found.regularizer_weight().shape == (of_points + of_labels,)
    for terms, part in ((found.of_points, "points"), (found.of_labels, "labels")):
        for term, anchors in zip(terms, SETS, strict=False):
            links = getattr(anchors, part).toarray() > 0
            linked = term.edges.linked(torch.arange(len(links)), torch.arange(links.shape[1]))
            assert (linked.numpy() == links).all()
            assert len(term.texts) == anchors.features.shape[0]


def test_stored_zeros_are_linked_but_not_drawn():
    links = csr_array((np.array([0, 1], np.float32), np.array([2, 3]), np.array([0, 2])), shape=(1, 4))
    term = contrast(links, csr_array(np.eye(4, dtype=np.float32)), TripletLoss())
    assert term.edges.draw(torch.zeros(50, dtype=torch.int64), 1).unique().tolist() == [3]
    assert term.edges.linked(torch.tensor([0]), torch.arange(4)).tolist() == [[False, False, True, True]]


def test_no_regularization_returns_the_task(toy):
    task = toy.tied_task()
    assert NoRegularization().add_to(task, SETS, toy.data.label_features) is task
    assert isinstance(NoRegularization().build(()), NoRegularizer)


def test_regularized_task_has_the_parts_of_the_task(toy):
    task = toy.tied_task()
    found = toy.regularization().add_to(task, SETS, toy.data.label_features)
    assert isinstance(found, RegularizedTask)
    assert (found.encoder, found.labels, found.classifier) == (task.encoder, task.labels, task.classifier)
    assert len(found.label_texts) == 40


@pytest.mark.parametrize("graphs", [[], ["points", "lables"]])
def test_unknown_graphs_are_refused(toy, graphs):
    with pytest.raises(UserError, match=r"regularizer\.graphs: expected some of points, labels, got"):
        toy.regularization(graphs=graphs)


def test_missing_anchors_are_refused(toy):
    with pytest.raises(UserError, match="anchors=…, or set regularizer=none"):
        toy.regularization().build(())
