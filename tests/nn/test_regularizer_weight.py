from copy import deepcopy

import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.regularizer_weight import BanditWeight, FixedWeight


def refuse():
    raise AssertionError("Nothing is to be computed.")


def test_fixed_weight_is_constant():
    regularizer_weight = FixedWeight(3, value=0.25)
    regularizer_weight.update(refuse)
    assert regularizer_weight().tolist() == [0.25] * 3
    assert regularizer_weight.state_dict() == {}


def run(bandit, reward, num_draws):
    """Run a bandit whose reward is a function of λ."""
    for _ in range(num_draws * bandit.every_steps):
        drawn = bandit()
        bandit.update(lambda drawn=drawn: reward(drawn))
    return bandit


@pytest.mark.parametrize("best", [[0.6, 0.2], [0.1, 0.5]])
def test_bandit_finds_the_best_weight(best):
    bandit = BanditWeight(2, start=0.3, spread=0.1, lr=0.02, every_steps=2, momentum=0.8)
    run(bandit, lambda drawn: 1 - (drawn - torch.tensor(best)).square().sum(), 4000)
    assert bandit.mean.tolist() == pytest.approx(best, abs=0.1)


def test_bandit_stays_put_under_constant_reward():
    bandit = run(BanditWeight(2, start=0.3, lr=0.05), lambda _: torch.tensor(0.4), 50)
    assert bandit.mean.tolist() == pytest.approx([0.3, 0.3], abs=1e-5)
    assert float(bandit.baseline) == pytest.approx(0.4)


def test_bandit_matches_hand_computed_steps():
    """The rule computed by hand: two draws, with rewards 0.2 and 0.5."""
    bandit = BanditWeight(1, start=0.4, spread=0.1, lr=0.05, every_steps=2, momentum=0.8)
    assert float(bandit()) == pytest.approx(0.4)
    bandit.update(lambda: torch.tensor(0.1))
    bandit.update(lambda: torch.tensor(0.3))
    assert float(bandit.mean) == pytest.approx(0.4)
    assert float(bandit.baseline) == pytest.approx(0.2)
    drawn = float(bandit.drawn)
    assert drawn != pytest.approx(0.4)
    for _ in range(2):
        assert float(bandit()) == pytest.approx(max(drawn, 0))
        bandit.update(lambda: torch.tensor(0.5))
    step = max(-1, min(1, 0.3 * (drawn - 0.4) / 0.01))
    assert float(bandit.mean) == pytest.approx(0.4 + 0.05 * step)
    assert float(bandit.baseline) == pytest.approx(0.8 * 0.2 + 0.2 * 0.5)


def test_gradient_is_clipped_and_weights_stay_above_the_minimum():
    bandit = BanditWeight(1, start=0.1, spread=0.1, minimum=0.1, lr=10.0, every_steps=1)
    for draw in range(50):
        assert float(bandit()) >= 0.1
        before = float(bandit.mean)
        bandit.update(lambda draw=draw: torch.tensor(float(draw % 2) * 1000))
        assert 0.1 - 1e-6 <= float(bandit.mean) <= before + 10 + 1e-5


def test_bandit_continues_from_its_state():
    reward = lambda drawn: drawn.sum()  # noqa: E731
    first = run(BanditWeight(2, every_steps=3), reward, 5)
    first.update(lambda: torch.tensor(0.7))
    second = BanditWeight(2, every_steps=3)
    second.load_state_dict(deepcopy(first.state_dict()))
    states = []
    for bandit in (first, second):
        torch.manual_seed(5)
        run(bandit, reward, 4)
        states.append(bandit.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": -1.0}, r"regularizer_weight\.start must be ≥ 0, got -1\.0"),
        ({"minimum": -1.0}, r"regularizer_weight\.minimum must be ≥ 0"),
        ({"lr": -1.0}, r"regularizer_weight\.lr must be ≥ 0"),
        ({"spread": 0.0}, r"regularizer_weight\.spread must be > 0, got 0\.0"),
        ({"every_steps": 0}, r"regularizer_weight\.every_steps must be ≥ 1, got 0"),
        ({"momentum": 1.0}, r"regularizer_weight\.momentum must lie in \[0, 1\), got 1\.0"),
    ],
)
def test_values_outside_their_range_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        BanditWeight(1, **change)
    with pytest.raises(UserError, match=r"regularizer_weight\.value must be ≥ 0, got -0\.5"):
        FixedWeight(1, value=-0.5)
