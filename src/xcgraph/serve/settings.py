"""What a server allows, and how it gathers requests."""

import math
from dataclasses import dataclass, field, fields

from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Limits of requests and of what waits; the ``help`` of each field says what it is, and its unit.

    Raises:
        UserError: a limit is out of range, or a request that is allowed would not fit into the queue.
    """

    max_body_bytes: int = field(default=1 << 20, metadata={"help": "bytes of a request's body"})
    max_inputs: int = field(default=256, metadata={"help": "inputs of a request"})
    max_explained: int = field(default=8, metadata={"help": "inputs of a request that wants explanations"})
    time_limit: float = field(
        default=10.0, metadata={"help": "seconds for a body to arrive, and again for its answer"}
    )
    batch_size: int = field(default=64, metadata={"help": "inputs that are predicted together"})
    gather_ms: float = field(
        default=0.0, metadata={"help": "milliseconds that a request waits for others to join it"}
    )
    queue_size: int = field(default=1024, metadata={"help": "inputs that may wait for their prediction"})

    def __post_init__(self) -> None:
        least = {"time_limit": 0.001, "gather_ms": 0.0}
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if not least.get(name, 1) <= value < math.inf:
                raise UserError(f"{name}: expected {least.get(name, 1)} or more, found {value}.")
        if self.queue_size < self.max_inputs:
            raise UserError(
                f"queue_size: expected room for max_inputs, {self.max_inputs}, found {self.queue_size}."
            )
