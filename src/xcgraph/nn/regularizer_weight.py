"""The weights λ of graph regularizers: fixed, or tuned by a bandit."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.errors import UserError


class RegularizerWeight(nn.Module, ABC):
    """Gives one λ per regularizer; a subclass takes the number of regularizers as its first argument."""

    @abstractmethod
    def forward(self) -> Float[Tensor, "regularizers"]:
        """Return λ for the next step."""

    @abstractmethod
    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Update λ after a step, from the P@1 within its batch."""


class FixedWeight(RegularizerWeight):
    """One constant λ for all regularizers.

    Args:
        num_regularizers: the number of regularizers.
        value: λ.
    """

    def __init__(self, num_regularizers: int, *, value: float = 0.1) -> None:
        super().__init__()
        if not value >= 0:
            raise UserError(f"regularizer_weight.value must be ≥ 0, got {value}.")
        self.register_buffer("value", torch.full((num_regularizers,), value), persistent=False)

    def forward(self) -> Float[Tensor, "regularizers"]:
        """Return λ."""
        value: Tensor = self.value  # type: ignore[assignment]
        return value

    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Do nothing."""


class BanditWeight(RegularizerWeight):
    """Draws each λ from N(μ, σ²) every few steps, and moves μ towards values of λ with a higher P@1.

    RAMEN tunes λ with a bandit, but does not state the rule. This one follows an implementation by one of
    its authors (xcai, ``RLLossWeightsCumuluative``): the reward r is the mean P@1 within the batches since λ
    was drawn, μ ← μ + lr · clip((r − r̄) ∇_μ ln p(λ)), and r̄ is a moving average of r. It differs in two
    points: the gradient uses the drawn λ before it is clipped at ``minimum``, and r̄ starts at the first
    reward.

    Args:
        num_regularizers: the number of regularizers.
        start: initial μ.
        spread: σ.
        minimum: lower bound of λ and μ.
        lr: step size of μ (RAMEN: 0.01).
        every_steps: training steps per draw.
        momentum: share of r̄ that remains after each reward.
    """

    mean: Tensor
    drawn: Tensor
    collected: Tensor
    steps: Tensor
    baseline: Tensor

    def __init__(
        self,
        num_regularizers: int,
        *,
        start: float = 0.1,
        spread: float = 0.1,
        minimum: float = 0.0,
        lr: float = 0.01,
        every_steps: int = 10,
        momentum: float = 0.8,
    ) -> None:
        super().__init__()
        _check(start=start, minimum=minimum, lr=lr)
        if not spread > 0:
            raise UserError(f"regularizer_weight.spread must be > 0, got {spread}.")
        if every_steps < 1:
            raise UserError(f"regularizer_weight.every_steps must be ≥ 1, got {every_steps}.")
        if not 0 <= momentum < 1:
            raise UserError(f"regularizer_weight.momentum must lie in [0, 1), got {momentum}.")
        self.spread, self.minimum, self.lr = spread, minimum, lr
        self.every_steps, self.momentum = every_steps, momentum
        # Buffers are stored with the weights, so a resumed run continues from them.
        self.register_buffer("mean", torch.full((num_regularizers,), start))
        self.register_buffer("drawn", torch.full((num_regularizers,), start))
        self.register_buffer("collected", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("baseline", torch.full((), torch.nan))

    def forward(self) -> Float[Tensor, "regularizers"]:
        """Return the last drawn λ."""
        return self.drawn.clamp(min=self.minimum)

    @torch.no_grad()
    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Collect the reward; after ``every_steps`` rewards, move μ and draw a new λ."""
        self.collected += precision()
        self.steps += 1
        if self.steps % self.every_steps == 0:
            self._learn(self.collected / self.every_steps)
            self.collected.zero_()

    def _learn(self, reward: Float[Tensor, ""]) -> None:
        advantage = (reward - self.baseline).nan_to_num(0.0)
        gradient = advantage * (self.drawn - self.mean) / self.spread**2
        self.mean.add_(self.lr * gradient.clamp(-1, 1)).clamp_(min=self.minimum)
        kept = torch.where(self.baseline.isnan(), reward, self.baseline)
        self.baseline.copy_(self.momentum * kept + (1 - self.momentum) * reward)
        self.drawn.copy_(self.mean + self.spread * torch.randn_like(self.mean))


def _check(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise UserError(f"regularizer_weight.{name} must be ≥ 0, got {value}.")
