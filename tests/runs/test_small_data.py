"""Tiny or odd tables train with every main experiment without a setting, or are refused in a sentence."""

import csv
import logging
import re

import numpy as np
import pytest
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.errors import UserError
from xcgraph.runs.reopen import reopen

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice
]

STAGES = {
    "eclare": ("surrogate", "shortlister", "ranker"),
    "decaf": ("surrogate", "shortlister", "ranker"),
    "smoke": (),
    "ramen": ("encoder",),
    "joint": ("joint",),
}
PARTS = ("eclare", "ramen", "joint")
TEN_POINTS = [
    ("red apple sweet", "a"),
    ("green pear", "b"),
    ("red pear sweet", "a;b"),
    ("green apple", "c"),
    ("apple pie", "a;c"),
    ("pear pie", "b"),
    ("sweet pie green", "c"),
    ("red pie", "a"),
    ("apple juice", "a;c"),
    ("pear juice", "b;c"),
]
NO_TOKENS = str.maketrans("abc", "!?+")
TABLES = {
    "ten points": TEN_POINTS,
    "two training points": [("red apple", "a"), ("red pear", "b")],
    "equal points": [("red apple", "a")] * 6,
    "one label": [(text, "a") for text, _ in TEN_POINTS],
    "a label on every point": [(text, f"z;{labels}") for text, labels in TEN_POINTS],
    "labels without a text token": [(text, labels.translate(NO_TOKENS)) for text, labels in TEN_POINTS],
    "points without labels": [*TEN_POINTS, ("red apple", ""), ("green pie", "")],
    "texts without a known token": [*TEN_POINTS, ("!", "a"), ("?!", "b"), ("unknown", "c")],
}
# DECAF and smoke have the parts of ECLARE.
CASES = [(table, name) for table in TABLES for name in STAGES if table == "ten points" or name in PARTS]


def run_of(folder, rows, experiment, *overrides):
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "labels"), *rows])
    overrides = [
        f"experiment={experiment}",
        "data=table",
        f"data.path={folder / 'table.csv'}",
        "data.separator=semicolon",
        f"paths.root={folder}",
        f"paths.run={folder / 'run'}",
        "num_threads=1",
        *(f"stages.{stage}.max_epochs=1" for stage in STAGES[experiment]),
        *overrides,
    ]
    (folder / "run").mkdir(exist_ok=True)
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return build(compose("train", overrides), overrides)


@pytest.mark.parametrize(("table", "experiment"), CASES)
def test_table_trains_and_reopens_without_a_setting(table, experiment, tmp_path):
    test = 0.0 if table == "two training points" else 0.2
    run = run_of(tmp_path, TABLES[table], experiment, f"data.test={test}")

    metrics = run.execute()

    assert all(0 <= value <= 1 for part in metrics.values() for value in part.values())
    data = run.data.read()
    model = reopen(tmp_path / "run", run.recipe, run.validation, data=data, seed=run.seed)
    scores = model.score(data.train.features)
    assert scores.shape == data.train.labels.shape
    assert np.isfinite(scores.data).all()
    assert scores.nnz > 0


LOWERED = {
    "eclare": "ranker.top_k 100 → 3, shortlister.beam_size 100 → 1",
    "joint": r"recipe.top_k 100 → 3, negatives auto → all \(3 labels × 512 points ≤ max_scores 16,777,216\)",
    "ramen": "recipe.top_k 100 → 3",
}


@pytest.mark.parametrize("experiment", LOWERED)
def test_one_line_of_the_log_names_all_lowered_settings(experiment, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "xcgraph"):
        run_of(tmp_path, TEN_POINTS, experiment).execute()

    (line,) = (line for line in caplog.messages if "Fitted" in line)
    assert re.fullmatch(
        rf"Fitted to the data \(3 labels, 7 training points\): {LOWERED[experiment]}, "
        r"validation\.fraction 0\.05 of 8 points → 1 to validate on\.",
        line,
    )


REFUSED = {
    "one training point": ([("red red apple", "red")], r"at least 2 training points.* found 1"),
    "no token at all": ([("!", "a"), ("?", "b")], r"text\.min_df: expected tokens .* found none"),
}


@pytest.mark.parametrize("table", REFUSED)
def test_table_is_refused_in_one_sentence(table, tmp_path):
    rows, message = REFUSED[table]
    with pytest.raises(UserError, match=message) as raised:
        run_of(tmp_path, rows, "eclare", "data.test=0.0").execute()
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("run/*"))
