"""Vectors of many labels, which are computed so many at a time, are those that one pass gives."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from xcgraph.nn.fusion import MeanFusion
from xcgraph.nn.refinement import NoRefinement
from xcgraph.tasks import xc_task

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
def test_blocks_give_vectors_gradients_and_spectral_norms_of_one_pass(task, size, blocks, monkeypatch):
    expected = step(copy.deepcopy(task))
    asked, label_graph = [], task.label_graph.forward
    monkeypatch.setattr(task.label_graph, "forward", lambda ids: asked.append(len(ids)) or label_graph(ids))
    monkeypatch.setattr(xc_task, "_LABELS_AT_A_TIME", size)

    found = step(task)

    assert asked == blocks
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5, msg=name)
