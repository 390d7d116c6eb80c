from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.batch import LabelSets, Shortlist, XCBatch
from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import GatedResidualBlock
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import AttentionFusion, MeanFusion, OnlyView
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.refinement import NoRefinement, RefinementVectors
from xcgraph.storage.artifacts import describe
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.label_text import frozen_text, trained_text

# Not symmetric; the columns of a row are not sorted.
GRAPH = csr_array(
    (np.array([0.5, 0.25, 1, 0.7, 0.1], np.float32), np.array([2, 0, 1, 3, 0]), np.array([0, 2, 3, 3, 5])),
    shape=(4, 4),
)
TEXTS = csr_array(
    np.array([[1, 0, 0, 0.5, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0.1, 0, 0.2, 0, 0.3]], np.float32)
)
IDS = torch.tensor([3, 1])


def make_network(**changes):
    parts = {
        "encoder": partial(BagOfTokens, dim=3),
        "propagation": Propagation(1),
        "fusion": AttentionFusion,
        "refinement": RefinementVectors,
    }
    return LabelNetwork(**{**parts, **changes})


def make_trained(seed=7):
    torch.manual_seed(seed)
    return BagOfTokens(5, dim=3)


def make_tied(**changes):
    torch.manual_seed(0)
    return make_network(**changes).surrogate.build(LabelInputs(TEXTS, GRAPH), 0.1).eval()


def make_frozen(trained=None, **changes):
    torch.manual_seed(0)
    return make_network(**changes).build(LabelInputs(TEXTS, GRAPH), 0.1, trained or make_trained()).eval()


def make_trained_on(trained=None, **changes):
    return make_frozen(trained, token_embeddings=trained_text, **changes)


def dense_views(encoder, hops):
    text, graph = (
        torch.from_numpy(TEXTS.toarray()) @ encoder.embedding.weight,
        torch.from_numpy(GRAPH.toarray()),
    )
    return tuple(torch.linalg.matrix_power(graph, hop) @ text for hop in range(hops + 1))


def make_batch(shortlist=None):
    nothing = LabelSets(torch.zeros(0, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    points = csr_array(np.array([[1, 0, 2, 0, 0], [0, 1, 0, 0, 3]], np.float32))
    return XCBatch(token_bag(points), nothing, nothing, torch.zeros(0, 2, dtype=torch.int64), shortlist)


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_tied_and_frozen_tasks_have_the_same_raw_views(hops):
    tied = make_tied(propagation=Propagation(hops))
    frozen = make_frozen(tied.encoder, propagation=Propagation(hops))
    expected = dense_views(tied.encoder, hops)
    torch.testing.assert_close(tied.labels.text(), expected)
    torch.testing.assert_close(frozen.labels.text(), expected)


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_scores_match_formulas(make):
    task = make(fusion=MeanFusion, surrogate_fusion=MeanFusion, refinement=NoRefinement)
    views = dense_views(task.encoder, 1)
    first, second = task.labels.blocks
    vectors = (first(views[0]) + second(views[1])) / 2
    batch = make_batch()
    expected = task.encoder(batch.tokens) @ vectors.T + task.classifier.bias
    torch.testing.assert_close(task(batch), expected)
    torch.testing.assert_close(task.label_vectors(IDS), vectors[IDS])


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_shortlist_scores_match_full_scores(make):
    task = make()
    shortlist = Shortlist(torch.tensor([1, 3]), torch.tensor([[1, -1], [0, 1]]), torch.zeros(2, 2))
    full, found = task(make_batch()), task(make_batch(shortlist))
    torch.testing.assert_close(found[[0, 1, 1], [0, 0, 1]], full[[0, 1, 1], [3, 1, 3]])
    assert found[0, 1] == -torch.inf


def test_labels_and_points_train_the_tied_embeddings():
    task = make_tied()
    gradients = []
    for loss in (task.label_vectors().square().sum(), task.encoder(make_batch().tokens).sum()):
        task.zero_grad()
        loss.backward()
        gradients.append(task.encoder.embedding.weight.grad)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_frozen_task_trains_all_but_the_embeddings():
    trained = make_trained()
    task = make_frozen(trained)
    task(make_batch()).square().sum().backward()
    still = {name for name, parameter in task.named_parameters() if not parameter.requires_grad}
    assert still == {"encoder.embedding.weight"}
    assert torch.equal(task.encoder.embedding.weight, trained.embedding.weight)
    assert trained.embedding.weight.requires_grad
    learned = [parameter for parameter in task.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in learned)


def test_trained_on_task_starts_at_trained_embeddings_and_trains_all():
    trained = make_trained()
    task = make_trained_on(trained)
    assert torch.equal(task.encoder.embedding.weight, trained.embedding.weight)
    task.label_vectors(IDS).square().sum().backward()
    assert task.encoder.embedding.weight.grad.abs().sum() > 0
    assert trained.embedding.weight.grad is None
    assert all(parameter.requires_grad for parameter in task.parameters())


def test_surrogate_replaces_its_own_parts_only():
    network = make_network(
        fusion=MeanFusion,
        own_text=False,
        propagation=Propagation(2),
        label_dropout=0.3,
        block=GatedResidualBlock,
    )
    task = network.surrogate.build(LabelInputs(TEXTS, GRAPH), 0.1)
    assert isinstance(task.labels.fusion, AttentionFusion)
    assert isinstance(task.labels.refinement, NoRefinement)
    assert [(type(block), block.dropout.p) for block in task.labels.blocks] == [(GatedResidualBlock, 0.3)] * 3


def test_parts_of_later_modules_do_not_change_the_surrogate():
    changes = {
        "fusion": MeanFusion,
        "refinement": NoRefinement,
        "token_embeddings": trained_text,
        "own_text": False,
    }

    def described(**changes):
        return describe(make_network(**changes).surrogate)

    assert described(**changes) == described()
    for other in ({"surrogate_fusion": MeanFusion}, {"label_dropout": 0.7}, {"propagation": Propagation(2)}):
        assert described(**other) != described()


@pytest.mark.parametrize("make", [make_frozen, make_trained_on])
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_own_text_can_be_left_out(make, hops):
    """Only the view is left out; refinement vectors start at the same values."""
    task, whole = (make(own_text=own, propagation=Propagation(hops)) for own in (False, True))
    assert [view.shape for view in task.labels.text_views(IDS)] == [(2, 3)] * hops
    torch.testing.assert_close(task.labels.text_views(), whole.labels.text_views()[1:])
    assert torch.equal(*task.labels.refinement(), *whole.labels.refinement())
    torch.testing.assert_close(task.label_vectors(IDS), task.label_vectors()[IDS])


@pytest.mark.parametrize("make", [make_frozen, make_trained_on])
@pytest.mark.parametrize("own_text", [False, True])
def test_refinement_alone_or_text_alone_is_the_vector(make, own_text):
    refinement = NoRefinement if own_text else RefinementVectors
    task = make(own_text=own_text, refinement=refinement, propagation=Propagation(0))
    assert isinstance(task.labels.fusion, OnlyView)
    (view,) = task.labels.text_views() if own_text else task.labels.refinement()
    assert torch.equal(task.label_vectors(), view)


def test_labels_without_views_are_refused():
    network = make_network(own_text=False, refinement=NoRefinement, propagation=Propagation(0))
    with pytest.raises(UserError, match="A label needs a view: set own_text=true"):
        network.check()


@pytest.mark.parametrize("make", [make_frozen, make_trained_on])
@pytest.mark.parametrize("hops", [0, 1])
def test_meta_labels_sum_the_views_of_their_labels(make, hops):
    """h_m = fusion(Σ_l E_L(z_l), û²_m), and û²_m starts at the sum of its labels' last views."""
    members = csr_array(np.array([[1, 0, 0, 1], [0, 1, 1, 0]], np.float32))
    labels, trained = LabelInputs(TEXTS, GRAPH, members), make_trained()
    torch.manual_seed(0)
    text = trained_text if make is make_trained_on else frozen_text
    network = make_network(propagation=Propagation(hops), fusion=MeanFusion, token_embeddings=text)
    task = network.build(labels, 0.1, trained).eval()
    raw, dense = dense_views(trained, hops), torch.from_numpy(members.toarray())
    first = raw[0] + raw[0].relu()  # the output of a fresh block
    torch.testing.assert_close(task.labels.text_views()[0], dense @ first)
    torch.testing.assert_close(*task.labels.refinement(), dense @ raw[-1])
    assert task(make_batch()).shape == (2, 2)


def test_frozen_task_initialises_all_other_parameters():
    trained = make_trained()
    with torch.no_grad():
        trained.block.scale.fill_(5)
    assert make_frozen(trained).encoder.block.scale == 1


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_refinement_starts_at_the_last_view(hops):
    trained = make_trained()
    task = make_frozen(trained, propagation=Propagation(hops))
    torch.testing.assert_close(*task.labels.refinement(), dense_views(trained, hops)[-1])


def num_fused(task):
    fusion = task.labels.fusion
    return 1 if isinstance(fusion, OnlyView) else fusion.score.out_features


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("refinement", [RefinementVectors, NoRefinement])
def test_fusion_gets_the_number_of_views(hops, refinement):
    changes = {"propagation": Propagation(hops), "refinement": refinement}
    tied, frozen = make_tied(**changes), make_frozen(**changes)
    assert len(tied.labels.blocks) == len(frozen.labels.blocks) == hops + 1
    assert num_fused(tied) == hops + 1
    assert num_fused(frozen) == hops + 1 + refinement.num_views
    assert tied(make_batch()).shape == frozen(make_batch()).shape == (2, 4)
    assert isinstance(tied.labels.refinement, NoRefinement)


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_bias_starts_at_log_odds_and_blocks_get_dropout(make):
    task = make(label_dropout=0.35)
    assert task.classifier.bias.sigmoid().item() == pytest.approx(0.1)
    assert [block.dropout.p for block in task.labels.blocks] == [0.35, 0.35]


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_copied_task_uses_its_own_embeddings(make):
    task = make()
    copied = deepcopy(task)
    before = task.label_vectors()
    torch.testing.assert_close(copied.label_vectors(), before)
    with torch.no_grad():
        task.encoder.embedding.weight.mul_(2)
    assert torch.equal(copied.label_vectors(), before)


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_state_loads_into_an_equal_task(make):
    task, other = make(), make()
    with torch.no_grad():
        for parameter in task.parameters():
            if parameter.requires_grad and parameter is not task.encoder.embedding.weight:
                parameter.add_(0.1 * torch.randn_like(parameter))
    other.load_state_dict(task.state_dict())
    assert torch.equal(other(make_batch()), task(make_batch()))
    assert not any("text" in name or "graph.edges" in name for name in task.state_dict())


@pytest.mark.parametrize("make", [make_tied, make_frozen, make_trained_on])
def test_double_precision_gives_equal_vectors(make):
    task = make()
    expected = task.label_vectors()
    found = task.to(torch.float64).label_vectors()
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), expected)


def test_check_builds_the_smallest_task():
    assert make_network().check().label_vectors().shape == (1, 3)
    with pytest.raises(UserError, match=r"must lie in \[0, 1\), got 1"):
        make_network(label_dropout=1.0).check()
    with pytest.raises(UserError, match=r"encoder\.dim must be ≥ 1, got 0"):
        make_network(encoder=partial(BagOfTokens, dim=0)).check()
