"""Limits of the server, and how it batches requests."""

import math
from dataclasses import dataclass, field, fields

from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Limits of requests, of the queue and of batches; the ``help`` of each field has its meaning and unit.

    Raises:
        UserError: a limit is out of range, or the queue is smaller than the largest request.
    """

    max_body_bytes: int = field(default=1 << 20, metadata={"help": "maximum bytes of a request body"})
    max_inputs: int = field(default=256, metadata={"help": "maximum inputs of a request"})
    max_explained: int = field(default=8, metadata={"help": "maximum inputs of a request with explain"})
    time_limit: float = field(
        default=10.0, metadata={"help": "seconds until the body has arrived, and again until it is answered"}
    )
    batch_size: int = field(default=64, metadata={"help": "inputs that are predicted together"})
    gather_ms: float = field(
        default=0.0, metadata={"help": "milliseconds that an incomplete batch waits for more requests"}
    )
    queue_size: int = field(default=1024, metadata={"help": "maximum inputs that wait for their prediction"})

    def __post_init__(self) -> None:
        minimum = {"time_limit": 0.001, "gather_ms": 0.0}
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            if not minimum.get(name, 1) <= value < math.inf:
                raise UserError(f"{name}: expected {minimum.get(name, 1)} or more, found {value}.")
        if self.queue_size < self.max_inputs:
            raise UserError(
                f"queue_size: expected at least max_inputs, {self.max_inputs}, found {self.queue_size}."
            )
