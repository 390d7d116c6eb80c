"""xcgraph-evaluate measures a file of predictions, or says what is wrong with it."""

import json

import pytest


def test_the_table_of_a_run_is_the_table_of_its_predictions(console):
    folder = console.train()
    expected = json.loads((folder / "metrics.json").read_text())["test"]

    status, output, _ = console.run(
        "xcgraph-evaluate", "data=toy", f"predictions={folder / 'predictions.npz'}", "top_k=[1,5]"
    )

    assert status == 0
    row = next(line for line in output.splitlines() if "PSP" in line)
    assert [f"{100 * expected[name]:.2f}" for name in ("PSP@1", "PSP@5")] == row.split()[3:6:2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No file of predictions at scores.npz"),
        (b"", "scores.npz: expected a sparse matrix"),
        (b"PK\x03\x04 and no more", "scores.npz: expected a sparse matrix"),
    ],
)
def test_a_file_that_is_none_is_refused(console, content, message):
    if content is not None:
        (console.folder / "scores.npz").write_bytes(content)

    status, _, errors = console.run("xcgraph-evaluate", "data=toy", "predictions=scores.npz")

    assert (status, "Traceback" in errors) == (2, False)
    assert message in errors


def test_predictions_are_asked_for(console):
    status, _, errors = console.run("xcgraph-evaluate", "data=toy")

    assert (status, "Traceback" in errors) == (2, False)
    assert "predictions" in errors
