"""Time estimates, progress on a terminal or in a log, and reports of every stage."""

import io
import logging
import pickle
import re
import sys
from contextlib import redirect_stderr
from unittest.mock import create_autospec

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from xcgraph.errors import UserError
from xcgraph.recipes.eclare import Stages
from xcgraph.recipes.nearest_shortlister import NearestShortlisterConfig
from xcgraph.recipes.ramen import RankedRamen
from xcgraph.training.progress import Pace, ProgressListener, StageProgress, check_mode, format_duration

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.usefixtures("one_thread")]

MODULE = create_autospec(LightningModule, instance=True)


# --- time left ------------------------------------------------------------------------------------------


class Clock:
    """A clock that the test advances."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def run(pace, clock, stage, epochs, seconds, *, start=0):
    """Advance clock and pace through the epochs of a stage."""
    pace.advance(stage, float(start))
    for epoch in range(start, epochs):
        clock.now += seconds
        pace.advance(stage, epoch + 1.0)


def test_pace_has_no_estimate_before_the_first_epoch(clock):
    pace = Pace({"surrogate": 2}, clock)
    assert pace.seconds_left() is None
    pace.advance("surrogate", 0.0)
    assert pace.seconds_left() is None
    assert Pace({}, clock).seconds_left() is None


def test_pace_estimates_future_stages_by_finished_ones_of_the_same_kind(clock):
    pace = Pace({"surrogate": 2, "tree-0-ranker": 3, "tree-1-ranker": 3}, clock)
    run(pace, clock, "surrogate", 2, 10.0)
    assert pace.seconds_left() == 60.0
    pace.finish("surrogate")
    run(pace, clock, "tree-0-ranker", 2, 1.0)
    assert pace.seconds_left() == 1.0 + 3.0
    pace.finish("tree-0-ranker")
    assert pace.seconds_left() == 3.0


def test_pace_adds_the_time_between_trainings(clock):
    pace = Pace({"tree-0-ranker": 2, "tree-1-ranker": 2, "tree-2-ranker": 2}, clock)
    clock.now += 7
    run(pace, clock, "tree-0-ranker", 2, 1.0)
    assert pace.seconds_left() == 2 * (2.0 + 7.0)


def test_pace_counts_steps_as_parts_of_epochs(clock):
    pace = Pace({"surrogate": 4}, clock)
    pace.advance("surrogate", 0.0)
    clock.now += 1
    pace.advance("surrogate", 0.25)
    assert pace.seconds_left() == 15.0


def test_pace_ignores_epochs_of_earlier_runs(clock):
    pace = Pace({"surrogate": 3, "tree-0-ranker": 5, "tree-1-ranker": 4}, clock)
    pace.finish("surrogate")
    run(pace, clock, "tree-0-ranker", 4, 2.0, start=3)
    assert pace.seconds_left() == 2.0 + 4 * 2.0


def test_pace_can_be_pickled():
    assert pickle.loads(pickle.dumps(Pace({"surrogate": 2}))).seconds_left() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.0, "89 s"), (95.0, "2 min"), (5399.0, "90 min"), (9000.0, "2.5 h")],
)
def test_durations_are_rounded(seconds, words):
    assert format_duration(seconds) == words


# --- terminal and log -----------------------------------------------------------------------------------


def make_trainer():
    trainer = create_autospec(Trainer, instance=True)
    trainer.current_epoch, trainer.max_epochs = 0, 2
    trainer.estimated_stepping_batches, trainer.global_step = 6, 0
    metrics = {"train/loss": 0.125, "val/P@1": 0.5, "val/P@3": 0.25, "val/R@5": 0.875}
    trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
    return trainer


def run_epochs(progress, trainer, epochs=2):
    progress.on_train_start(trainer, MODULE)
    for epoch in range(epochs):
        trainer.current_epoch = epoch
        for _ in range(3):
            trainer.global_step += 1
            progress.on_train_batch_end(trainer, MODULE, None, None, 0)
        progress.on_train_epoch_end(trainer, MODULE)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def any_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")


def test_log_has_a_line_per_epoch(caplog, capsys):
    with caplog.at_level(logging.INFO):
        progress = StageProgress("tree 1/3 · ranker")
        run_epochs(progress, make_trainer())
        progress.on_fit_end(make_trainer(), MODULE)
    assert [record.getMessage() for record in caplog.records] == [
        "tree 1/3 · ranker · epoch 1/2 · loss 0.12500 · P@1 50.00  R@5 87.50",
        "tree 1/3 · ranker · epoch 2/2 · loss 0.12500 · P@1 50.00  R@5 87.50",
    ]
    assert capsys.readouterr().out == ""


def test_line_shows_the_time_left_in_the_run(caplog):
    times = iter(range(0, 1000, 10))
    pace = Pace({"surrogate": 2, "tree-0-ranker": 12}, lambda: float(next(times)))
    with caplog.at_level(logging.INFO):
        run_epochs(StageProgress("surrogate", "lines", pace), make_trainer(), epochs=1)
    (line,) = caplog.messages
    assert re.search(r"P@1 50\.00  R@5 87\.50 · run: about \d+ min left$", line)


@pytest.mark.parametrize("terminal", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_quiet_shows_nothing(caplog, terminal):
    with caplog.at_level(logging.INFO), redirect_stderr(terminal):
        progress = StageProgress("surrogate", "quiet")
        run_epochs(progress, make_trainer())
        progress.on_fit_end(make_trainer(), MODULE)
    assert (caplog.messages, terminal.getvalue()) == ([], "")


def test_mode_lines_logs_lines_on_a_terminal(caplog):
    with caplog.at_level(logging.INFO), redirect_stderr(Terminal()) as terminal:
        run_epochs(StageProgress("surrogate", "lines"), make_trainer())
    assert len(caplog.messages) == 2
    assert terminal.getvalue() == ""


def test_terminal_shows_a_bar_and_no_lines(caplog, capsys):
    with caplog.at_level(logging.INFO), redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        run_epochs(progress, make_trainer())
        progress.on_fit_end(make_trainer(), MODULE)
    assert caplog.records == []
    assert capsys.readouterr().out == ""
    for part in ("surrogate · epoch 2/2", "6/6", "P@1 50.00  R@5 87.50"):
        assert part in terminal.getvalue()


def test_resumed_bar_starts_at_the_resumed_step():
    trainer = make_trainer()
    trainer.global_step = 3
    with redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        progress.on_train_start(trainer, MODULE)
        progress.on_fit_end(trainer, MODULE)
    assert "3/6" in terminal.getvalue()


def test_bar_restores_the_terminal_after_an_error():
    with redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        run_epochs(progress, make_trainer(), epochs=1)
        progress.on_exception(make_trainer(), MODULE, KeyboardInterrupt())
        assert sys.stderr is terminal
    hidden, shown = (terminal.getvalue().rfind(code) for code in ("\x1b[?25l", "\x1b[?25h"))  # the cursor
    assert 0 <= hidden < shown


def test_log_shows_no_bar(capsys):
    progress = StageProgress("surrogate")
    run_epochs(progress, make_trainer())
    progress.on_fit_end(make_trainer(), MODULE)
    progress.on_exception(make_trainer(), MODULE, KeyboardInterrupt())
    assert capsys.readouterr().err == ""


# --- reports --------------------------------------------------------------------------------------------


def reported_epochs(recipe, toy, root, mode="quiet"):
    """Fit a recipe, and return the number of epochs in the last report of each stage."""
    epochs, pace = {}, Pace(recipe.epochs())

    def report(stage, rows):
        epochs[stage] = len(rows)

    recipe.fit(toy.workspace(root, listener=ProgressListener(mode=mode, report=report, pace=pace)))
    assert pace.seconds_left() is None  # all trainings are finished
    return epochs


def short(toy):
    stage = toy.stage(max_epochs=1)
    return Stages(surrogate=stage, shortlister=stage, ranker=toy.stage(max_epochs=2))


def ranked_ramen(toy):
    eclare = toy.recipe(stages=short(toy))
    parts = {
        name: getattr(eclare, name) for name in ("graph", "clustering", "network", "shortlister", "ranker")
    }
    return RankedRamen(**parts, stages=eclare.stages, num_trees=1, dual_encoder=toy.ramen())


RECIPES = {
    "eclare": lambda toy: toy.recipe(stages=short(toy), num_trees=2),
    "nearest": lambda toy: toy.recipe(stages=short(toy), shortlister=NearestShortlisterConfig(beam_size=6)),
    "ramen": lambda toy: toy.ramen(),
    "ranked ramen": ranked_ramen,
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_announces_all_of_its_trainings(name, toy, tmp_path):
    recipe = RECIPES[name](toy)
    assert reported_epochs(recipe, toy, tmp_path) == recipe.epochs()


def test_stages_of_an_earlier_run_are_reported(toy, tmp_path, caplog):
    recipe = RECIPES["eclare"](toy)
    first = reported_epochs(recipe, toy, tmp_path)
    with caplog.at_level(logging.INFO, logger="xcgraph"):
        assert reported_epochs(recipe, toy, tmp_path, mode="lines") == first
    messages = [
        record.getMessage() for record in caplog.records if record.name == "xcgraph.training.progress"
    ]
    assert messages == [f"{stage} · taken from an earlier run" for stage in first]


def test_unknown_mode_is_refused():
    with pytest.raises(UserError, match="progress must be one of auto, bar, lines, quiet, got loud"):
        check_mode("loud")
