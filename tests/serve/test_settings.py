"""Settings out of range are refused."""

import math

import pytest

from xcgraph.errors import UserError
from xcgraph.serve.settings import ServeSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_body_bytes": 0}, "max_body_bytes: expected 1 or more, found 0"),
        ({"batch_size": 0}, "batch_size: expected 1 or more, found 0"),
        ({"time_limit": 0.0}, "time_limit: expected 0.001 or more, found 0.0"),
        ({"time_limit": math.nan}, "time_limit: expected 0.001 or more, found nan"),
        ({"gather_ms": -1.0}, "gather_ms: expected 0.0 or more, found -1.0"),
        ({"gather_ms": math.inf}, "gather_ms: expected 0.0 or more, found inf"),
        ({"queue_size": 255}, "queue_size: expected at least max_inputs, 256, found 255"),
    ],
)
def test_setting_out_of_range_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        ServeSettings(**changes)


def test_gather_ms_may_be_zero():
    assert ServeSettings(gather_ms=0.0).gather_ms == 0
