from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from xcgraph.batch import TokenBag


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def random_views():
    """Return a function that draws random views of 5 labels, of length 4."""

    def draw(num_views, labels=5, **changes):
        return tuple(torch.randn(labels, 4, **changes) for _ in range(num_views))

    return draw


def move(part, **to):
    if isinstance(part, tuple):
        return tuple(move(each, **to) for each in part)
    if isinstance(part, TokenBag) and "dtype" in to:
        return replace(part, weights=part.weights.to(**to))
    if isinstance(part, torch.Tensor):
        return part.to(**to) if part.is_floating_point() or "device" in to else part
    return part.to(**to)


def one_tensor(found):
    """Stack a tuple of views into one tensor."""
    return torch.stack(found, dim=1) if isinstance(found, tuple) else found


@pytest.fixture
def assert_survives():
    """Assert that a module computes the same after deepcopy, a state_dict round trip and .to.

    Takes the module, another with other parameters to load its state into, and the module's inputs.
    """

    def check(module, other, *inputs):
        module, other = module.eval(), other.eval()
        expected = one_tensor(module(*inputs))
        exactly = {"rtol": 0, "atol": 0}
        torch.testing.assert_close(one_tensor(deepcopy(module)(*inputs)), expected, **exactly)
        other.load_state_dict(module.state_dict())
        torch.testing.assert_close(one_tensor(other(*inputs)), expected, **exactly)

        wide = deepcopy(module).to(torch.float64)
        found = one_tensor(wide(*(move(part, dtype=torch.float64) for part in inputs)))
        assert found.dtype == torch.float64
        torch.testing.assert_close(found.float(), expected)

        device = "cuda" if torch.cuda.is_available() else "cpu"
        found = one_tensor(deepcopy(module).to(device)(*(move(part, device=device) for part in inputs)))
        torch.testing.assert_close(found.cpu(), expected)
        nowhere = deepcopy(module).to("meta")
        assert all(part.is_meta for part in (*nowhere.parameters(), *nowhere.buffers()))

    return check
