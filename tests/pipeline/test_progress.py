import io
import logging
import re
import sys
from contextlib import redirect_stderr
from unittest.mock import create_autospec

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from xcgraph.pipeline.pace import Pace
from xcgraph.pipeline.progress import StageProgress

MODULE = create_autospec(LightningModule, instance=True)


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


def test_line_tells_the_time_left_in_the_run(caplog):
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


def test_lines_are_had_on_a_terminal_too(caplog):
    with caplog.at_level(logging.INFO), redirect_stderr(Terminal()) as terminal:
        run_epochs(StageProgress("surrogate", "lines"), make_trainer())
    assert len(caplog.messages) == 2
    assert terminal.getvalue() == ""


def test_terminal_has_a_bar_and_no_lines(caplog, capsys):
    with caplog.at_level(logging.INFO), redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        run_epochs(progress, make_trainer())
        progress.on_fit_end(make_trainer(), MODULE)
    assert caplog.records == []
    assert capsys.readouterr().out == ""
    for part in ("surrogate · epoch 2/2", "6/6", "P@1 50.00  R@5 87.50"):
        assert part in terminal.getvalue()


def test_resumed_bar_starts_where_it_was():
    trainer = make_trainer()
    trainer.global_step = 3
    with redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        progress.on_train_start(trainer, MODULE)
        progress.on_fit_end(trainer, MODULE)
    assert "3/6" in terminal.getvalue()


def test_bar_gives_the_terminal_back_after_an_error():
    with redirect_stderr(Terminal()) as terminal:
        progress = StageProgress("surrogate")
        run_epochs(progress, make_trainer(), epochs=1)
        progress.on_exception(make_trainer(), MODULE, KeyboardInterrupt())
        assert sys.stderr is terminal
    hidden, shown = (terminal.getvalue().rfind(code) for code in ("\x1b[?25l", "\x1b[?25h"))  # the cursor
    assert 0 <= hidden < shown


def test_no_bar_for_a_log(capsys):
    progress = StageProgress("surrogate")
    run_epochs(progress, make_trainer())
    progress.on_fit_end(make_trainer(), MODULE)
    progress.on_exception(make_trainer(), MODULE, KeyboardInterrupt())
    assert capsys.readouterr().err == ""
