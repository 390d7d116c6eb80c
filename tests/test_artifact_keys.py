import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.identity import UNKEYED
from xcgraph.storage.artifacts import content_key, describe


@dataclass(frozen=True)
class Inner:
    length: int = 3
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    names: tuple[str, ...] = ("a", "b")
    options: Mapping[str, object] = field(default_factory=lambda: {"x": 1, "y": None})
    make: object = partial(Inner, 3)

    def method(self):
        return self.inner


def test_description_is_plain_and_complete():
    assert describe({"part": Outer(), "n": [1, 2.5, True, None]}) == {
        "part": {
            "call": f"{__name__}.Outer",
            "inner": {"call": f"{__name__}.Inner", "length": 3, "share": 0.5},
            "names": ["a", "b"],
            "options": {"x": 1, "y": None},
            "make": {"call": f"{__name__}.Inner", "args": [3]},
        },
        "n": [1, 2.5, True, None],
    }
    assert describe(partial(Inner, share=0.1)) == {"call": f"{__name__}.Inner", "args": [], "share": 0.1}
    assert describe(Inner) == {"call": f"{__name__}.Inner"}
    assert describe(json.dumps) == {"call": "json.dumps"}


CHANGED = [
    {"part": Outer(inner=Inner(length=4))},
    {"part": Outer(inner=Inner(share=0.25))},
    {"part": Outer(names=("b", "a"))},
    {"part": Outer(names=("a",))},
    {"part": Outer(options={"x": 1, "y": 0})},
    {"part": Outer(options={"x": 1})},
    {"part": Outer(make=partial(Inner, 4))},
    {"part": Outer(make=partial(Inner, length=3))},
    {"part": Outer(make=partial(Outer, 3))},
    {"part": Outer(make=Inner)},
    {"seed": 1},
    {"seed": "0"},
    {"seed": None},
    {"upstream": "0123"},
    {"more": None},
]


def test_key_depends_on_every_part_and_on_nothing_else():
    inputs = {"part": Outer(), "seed": 0, "upstream": "abcd"}
    keys = {content_key({**inputs, **change}) for change in CHANGED}
    same = {
        content_key(inputs),
        content_key({"part": Outer(), "seed": 0, "upstream": "abcd"}),
        content_key(dict(reversed(inputs.items()))),
        content_key({**inputs, "part": Outer(options={"y": None, "x": 1}, names=["a", "b"])}),
    }
    assert len(keys | same) == len(CHANGED) + 1
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys | same)


def test_every_field_of_a_part_is_in_the_key():
    part = {"walk_length": 7, "restart_prob": 0.7, "num_neighbors": 7, "head_label_threshold": 7}
    parts = [RandomWalkGraph(), *(RandomWalkGraph(**{name: value}) for name, value in part.items())]
    assert len({content_key({"graph": part}) for part in parts}) == 5


def test_unkeyed_field_is_not_in_the_key():
    @dataclass(frozen=True)
    class Part:
        share: float
        num_workers: int = field(default=0, metadata=UNKEYED)

    Part.__qualname__ = "Part"
    assert content_key({"part": Part(0.5, num_workers=4)}) == content_key({"part": Part(0.5)})
    assert content_key({"part": Part(0.6)}) != content_key({"part": Part(0.5)})


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        np.zeros(2),
        object(),
        lambda: None,
        Outer().method,
        partial(lambda: None),
        partial(Outer().method),
        type("Plain", (), {})(),
        {"deep": [(Outer(options={"x": object()}),)]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_without_a_stable_description_is_refused(value):
    with pytest.raises(TypeError, match=r"Cannot describe a .* for an artifact's key"):
        describe(value)


def test_two_processes_have_the_same_key():
    code = (
        "from functools import partial\n"
        "from xcgraph.graph.random_walk import RandomWalkGraph as Graph\n"
        "from xcgraph.storage.artifacts import content_key\n"
        "names = {'x': 1, 'y': 2, 'label': 'é'}\n"
        "print(content_key({'a': Graph(), 'b': partial(Graph, 3, num_neighbors=2), 'c': names, 'd': 0.1}))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    inputs = {
        "a": RandomWalkGraph(),
        "b": partial(RandomWalkGraph, 3, num_neighbors=2),
        "c": {"x": 1, "y": 2, "label": "é"},
        "d": 0.1,
    }
    assert found == {content_key(inputs)}
