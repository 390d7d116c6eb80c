"""The views of labels: what a label's text, its neighbours and its free vector say of it."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

# A tensor per view, with a row per label: stacked to (labels, views, dim), they would be copied at each step.
Views: TypeAlias = tuple[Float[Tensor, "labels dim"], ...]
