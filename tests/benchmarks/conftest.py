"""A run on a small synthetic dataset that trains in seconds."""

import pytest

from benchmarks.process import compose_run

SMALL = [
    "data=synthetic",
    "data.sizes.train_points=1500",
    "data.sizes.test_points=300",
    "data.sizes.labels=200",
    "data.sizes.tokens=400",
    "data.sizes.topics=10",
    "num_threads=1",
]


# Enough for every step to have data; no test of these overrides looks at accuracy.
TINY = [*SMALL, "data.sizes.train_points=400", "data.sizes.test_points=60", "data.sizes.labels=120"]


@pytest.fixture(scope="session")
def tiny_overrides():
    return TINY


@pytest.fixture
def small_run(tmp_path):
    return compose_run(SMALL, tmp_path)
