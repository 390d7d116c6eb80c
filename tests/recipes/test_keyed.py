"""A function of a step reads its inputs, the workspace and nothing else."""

from functools import partial

import numpy as np
import pytest

from xcgraph.recipes.keyed import Keyed, Step
from xcgraph.storage.artifacts import content_key


def add(work, *, left, right):
    return work + left + right


class Namespace:
    @staticmethod
    def add(work, *, left, right):
        return add(work, left=left, right=right)

    def method(self, *, left, right):
        return left + right

    @classmethod
    def class_method(cls, work, *, left, right):
        return add(work, left=left, right=right)


def double(value):
    return 2 * value


def nested_functions():
    captured = 5

    def capture(work, *, left, right):  # noqa: ARG001
        return captured + left + right

    def no_capture(work, *, left, right):  # noqa: ARG001
        return left + right

    return capture, no_capture


@pytest.mark.parametrize("function", [add, Namespace.add], ids=["function", "static method"])
def test_value_and_key_of_an_input_stay_together(function):
    step = Step("sum", function, {"left": Keyed(np.float64(3), "abcd"), "right": 4}, {})
    assert step.compute(10) == 17
    assert step.described() == {"left": "abcd", "right": 4}


def test_unkeyed_arguments_reach_the_function_and_not_the_key():
    one, other = (Step("sum", add, {"left": 1}, {"right": right}) for right in (2, 3))
    assert (one.compute(0), other.compute(0)) == (3, 4)
    assert one.described() == other.described() == {"left": 1}


@pytest.mark.parametrize(
    "function",
    [
        lambda work, *, left, right: work,  # noqa: ARG005
        *nested_functions(),
        partial(add, left=3),
        Namespace().method,
        Namespace.class_method,
        Namespace,
        np.add,
    ],
    ids=["lambda", "closure", "nested", "partial", "method", "class method", "class", "ufunc"],
)
def test_function_that_can_capture_values_is_refused(function):
    with pytest.raises(TypeError, match="Expected a function of a module or a static method, found"):
        Step("sum", function, {"left": 1, "right": 2}, {})
    with pytest.raises(TypeError, match="Expected a function of a module or a static method, found"):
        Keyed(1, "abcd").map(function)


@pytest.mark.parametrize(
    ("inputs", "unkeyed", "message"),
    [
        ({"left": 1}, {}, r"sum: add: missing a required .*'right'"),
        ({}, {"right": 1}, r"sum: add: missing a required .*'left'"),
        ({"left": 1, "right": 2, "more": 3}, {}, r"sum: add: .*unexpected keyword argument 'more'"),
        ({"left": 1, "right": 2}, {"more": 3}, r"sum: add: .*unexpected keyword argument 'more'"),
        ({"left": 1, "right": 2}, {"right": 3}, "sum: right cannot be keyed and unkeyed at once"),
    ],
)
def test_inputs_must_match_the_parameters(inputs, unkeyed, message):
    with pytest.raises(TypeError, match=message):
        Step("sum", add, inputs, unkeyed)


def test_map_keeps_the_key():
    assert Keyed(3, "abcd").map(double) == Keyed(6, "abcd")


def test_input_without_a_description_has_no_key():
    step = Step("sum", add, {"left": np.zeros(2), "right": 1}, {})
    with pytest.raises(TypeError, match="Cannot describe a ndarray"):
        content_key(step.described())
