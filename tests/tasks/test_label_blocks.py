"""Label vectors computed in blocks equal the vectors of one pass."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from xcgraph.nn import label_encoder
from xcgraph.nn.fusion import MeanFusion
from xcgraph.nn.refinement import NoRefinement

IDS = torch.tensor([0, 3, 4, 9, 11, 17, 18, 25, 30, 31, 39])


@pytest.fixture(params=["tied", "frozen", "frozen without refinement"])
def task(toy, request):
    task = {
        "tied": toy.tied_task,
        "frozen": toy.frozen_task,
        "frozen without refinement": partial(toy.frozen_task, refinement=NoRefinement, fusion=MeanFusion),
    }[request.param]()
    for module in task.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return task.train()


def step(task):
    """Return vectors, gradients and buffers of a step."""
    vectors = task.label_vectors(IDS)
    (vectors * torch.arange(vectors.numel()).reshape(vectors.shape)).sum().backward()
    gradients = {name: weight.grad for name, weight in task.named_parameters() if weight.grad is not None}
    assert gradients
    return {
        "vectors": vectors.detach(),
        **{name: grad.to_dense() if grad.is_sparse else grad for name, grad in gradients.items()},
        **{f"buffer {name}": buffer for name, buffer in task.named_buffers() if buffer.is_floating_point()},
    }


@pytest.mark.parametrize(
    ("size", "blocks"), [(1, [1] * 11), (2, [2, 2, 2, 2, 2, 1]), (3, [11])], ids=["one", "two", "few blocks"]
)
def test_blocks_match_one_pass_in_vectors_gradients_and_spectral_norms(task, size, blocks, monkeypatch):
    expected = step(copy.deepcopy(task))
    requested, text_views = [], task.labels.text_views
    monkeypatch.setattr(task.labels, "text_views", lambda ids: requested.append(len(ids)) or text_views(ids))
    monkeypatch.setattr(label_encoder, "_LABELS_AT_A_TIME", size)

    found = step(task)

    assert requested == blocks
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5, msg=name)
