"""Values with the key of all their inputs, and functions that can read nothing but their inputs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, TypeVar

Kept = TypeVar("Kept")
Other = TypeVar("Other")

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Keyed(Generic[Kept]):
    """A value, and the key of everything that it was computed from."""

    value: Kept
    key: str

    def map(self, function: Callable[[Kept], Other]) -> "Keyed[Other]":
        """Return a function of the value, under the same key.

        Raises:
            TypeError: the function can capture other values.
        """
        _check_function(function)
        return Keyed(function(self.value), self.key)


@dataclass(frozen=True)
class Step(Generic[Kept]):
    """A function with the inputs that it is called with; the same inputs make the key of its result.

    A :class:`Keyed` input gives its value to the function and its key to the hash. Any other input gives
    itself to both. The function must be a function of a module or a static method: a lambda, a nested
    function or a bound method could read values that are not hashed.

    Attributes:
        name: name of the result, for messages.
        function: takes a workspace, and the inputs by keyword.
        inputs: everything that the result depends on, apart from the workspace's data and seed.
        unkeyed: arguments that the result does not depend on, such as a number of processes.

    Raises:
        TypeError: the function can capture values, or its parameters do not match the inputs.
    """

    name: str
    function: Callable[..., Kept]
    inputs: Mapping[str, Any]
    unkeyed: Mapping[str, Any]

    def __post_init__(self) -> None:
        _check_function(self.function)
        both = self.inputs.keys() & self.unkeyed.keys()
        if both:
            raise TypeError(f"{self.name}: {', '.join(sorted(both))} cannot be keyed and unkeyed at once.")
        try:
            inspect.signature(self.function).bind(None, **self.inputs, **self.unkeyed)
        except TypeError as error:
            raise TypeError(f"{self.name}: {self.function.__qualname__}: {error}.") from error

    def compute(self, work: Any) -> Kept:  # noqa: ANN401 - a workspace
        """Call the function."""
        values = {name: part.value if isinstance(part, Keyed) else part for name, part in self.inputs.items()}
        return self.function(work, **values, **self.unkeyed)

    def described(self) -> dict[str, Any]:
        """Return what the key of the result hashes."""
        return {name: part.key if isinstance(part, Keyed) else part for name, part in self.inputs.items()}


def _check_function(function: Callable[..., Any]) -> None:
    """Refuse a function that can capture values.

    Raises:
        TypeError: it is a lambda, a nested function, a bound method, a partial or another object.
    """
    plain = None if isinstance(function, partial) else inspect.unwrap(function)
    if not inspect.isfunction(plain) or "<" in plain.__qualname__ or plain.__closure__:
        raise TypeError(
            f"Expected a function of a module or a static method, found {function!r}: it could read values "
            "that are not part of the key."
        )
