"""benchmarks/load.py counts answered requests only."""

import re

import pytest

from benchmarks.load import measured, request, serving
from xcgraph.predict.folder import save_model


def test_row_has_figures_and_refusals_are_not_counted(model, tmp_path):
    save_model(model, tmp_path / "model")
    with serving(tmp_path / "model", ("--gather-ms", "0")) as port:
        row = measured(port, [request("red", 2), request("pear", 3)], clients=2, seconds=0.5)
        with pytest.raises(RuntimeError, match=r"status 200, got b'HTTP/1\.1 422"):
            measured(port, [request("red", 0)], clients=1, seconds=60.0)

    rate, p50, p99, cpu = (float(figure.replace(",", "")) for figure in row.split(" | "))
    assert rate > 1
    assert 0 < p50 <= p99
    assert cpu > 0
    assert re.fullmatch(r"[\d,]+( \| \d+\.\d+){3}", row)
