"""A run on a synthetic data set that takes seconds."""

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


@pytest.fixture(scope="session")
def small_overrides():
    return SMALL


@pytest.fixture
def small_run(tmp_path):
    return compose_run(SMALL, tmp_path)
