from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from xcgraph.batch import TokenBag


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def move(part, **to):
    if isinstance(part, TokenBag) and "dtype" in to:
        return replace(part, weights=part.weights.to(**to))
    if isinstance(part, torch.Tensor):
        return part.to(**to) if part.is_floating_point() or "device" in to else part
    return part.to(**to)


@pytest.fixture
def assert_survives():
    """Assert that a module computes the same after deepcopy, a state_dict round trip and .to.

    Takes the module, another with other parameters to load its state into, and the module's inputs.
    """

    def check(module, other, *inputs):
        module, other = module.eval(), other.eval()
        expected = module(*inputs)
        exactly = {"rtol": 0, "atol": 0}
        torch.testing.assert_close(deepcopy(module)(*inputs), expected, **exactly)
        other.load_state_dict(module.state_dict())
        torch.testing.assert_close(other(*inputs), expected, **exactly)

        wide = deepcopy(module).to(torch.float64)
        found = wide(*(move(part, dtype=torch.float64) for part in inputs))
        assert found.dtype == torch.float64
        torch.testing.assert_close(found.float(), expected)

        device = "cuda" if torch.cuda.is_available() else "cpu"
        found = deepcopy(module).to(device)(*(move(part, device=device) for part in inputs))
        torch.testing.assert_close(found.cpu(), expected)
        nowhere = deepcopy(module).to("meta")
        assert all(part.is_meta for part in (*nowhere.parameters(), *nowhere.buffers()))

    return check
