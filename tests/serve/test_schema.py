"""The pattern of columns matches exactly the column numbers of a model."""

import re

import pytest

from xcgraph.serve.schema import numbers_below


@pytest.mark.parametrize("limit", [1, 2, 9, 10, 11, 20, 99, 100, 101, 110, 1000, 1005, 2345])
def test_numbers_below_matches_exactly_the_numbers_below_the_limit(limit):
    pattern = re.compile(numbers_below(limit))

    assert [number for number in range(11 * limit) if pattern.fullmatch(str(number))] == list(range(limit))
    assert not any(pattern.fullmatch(text) for text in ("", "00", "01", "-1", "1.0"))
