"""Tests of the GPU benchmark; those without the mark ``needs_gpu`` run on the CPU."""

import pytest
import torch

from benchmarks import gpu
from benchmarks.training_step import STAGES, setting, steps

pytestmark = pytest.mark.usefixtures("one_thread")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
CPU = torch.device("cpu")


@pytest.mark.parametrize("stage", STAGES)
def test_measure_runs_without_a_gpu(stage):
    found = gpu.measure(setting(stage, 512, dim=4), CPU, count=1)

    assert found.kernels is found.waits is None
    assert min(found.points_per_second, found.gib, found.operations, found.bytes) > 0
    assert gpu.row(stage, found, gpu.Card(1e15, 1e15))[3:5] == ("–", "–")


def test_byte_counter_sums_inputs_and_outputs_without_views():
    one, other = torch.ones(10, 10), torch.ones(10, 10)
    with gpu.ByteCounter() as moved:
        one + other
        one.view(100)  # a view moves no data
    assert moved.total == 3 * 100 * 4


def test_card_returns_positive_rates():
    found = gpu.card(CPU, 64)
    assert min(found) > 0


@needs_gpu
@pytest.mark.parametrize("stage", STAGES)
def test_training_steps_never_wait_for_the_gpu(stage):
    found = gpu.measure(setting(stage, 4096), torch.device("cuda"), count=3)
    assert found.waits == 0
    assert 0 < found.kernels <= 1.05


@needs_gpu
def test_gpu_and_cpu_steps_give_equal_weights():
    losses = []
    for device in (CPU, torch.device("cuda")):
        found = setting("surrogate", 512, dim=16)
        found.task.eval()  # no dropout
        taking = steps(found, device.type)
        for _ in range(3):
            next(taking)
        weights = [parameter.detach().cpu() for parameter in found.task.parameters()]
        losses.append(torch.cat([each.flatten() for each in weights]))
    torch.testing.assert_close(*losses, rtol=1e-3, atol=1e-3)
