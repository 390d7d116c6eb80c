import numpy as np
import pytest
import torch

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.nn.contrast import EncodedRows
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.label_graph import Propagation

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def tasks(toy, tmp_path):
    """A plain task, a regularized task with the same weights, and all training points as a batch."""
    work = toy.workspace(tmp_path)
    anchors = toy.ramen().anchors.find(work)
    plain, other = (toy.tied_task(propagation=Propagation(hops=0)).eval() for _ in range(2))
    regularized = toy.regularization().add_to(other, anchors, work.label_features).eval()
    return plain, regularized, AllLabelsDataset(work.train)[np.arange(len(work.train))]


def test_loss_is_plain_loss_plus_penalty(tasks):
    plain, regularized, batch = tasks
    torch.manual_seed(2)
    found = regularized.training_step(batch)
    torch.manual_seed(2)
    encoder = DualEncoder(plain.encoder)
    drawn = torch.randint(40, (160,))
    labels = EncodedRows(drawn, encoder(regularized.label_texts(drawn)))
    points = EncodedRows(batch.rows, encoder(batch.tokens))
    penalty = regularized.regularizer(encoder, points, labels)
    torch.testing.assert_close(found, plain.training_step(batch) + penalty)
    assert penalty > 0


def test_penalty_changes_the_gradient_of_embeddings(tasks):
    gradients = []
    for task in tasks[:2]:
        task.training_step(tasks[2]).backward()
        gradients.append(task.encoder.embedding.weight.grad)
    assert not torch.allclose(*gradients)


def test_scores_match_the_plain_task(tasks):
    plain, regularized, batch = tasks
    torch.testing.assert_close(regularized(batch), plain(batch))


def test_regularizer_gets_the_precision(tasks):
    _, regularized, batch = tasks
    regularized.training_step(batch)
    best = regularized(batch).argmax(dim=1).tolist()
    true = set(map(tuple, batch.positives.tolist()))
    expected = np.mean([(point, label) in true for point, label in enumerate(best)])
    assert float(regularized.regularizer.regularizer_weight.collected) == pytest.approx(expected)
