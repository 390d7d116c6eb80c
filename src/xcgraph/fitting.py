"""Train a model from Python: the same recipes, settings and run folders as ``xcgraph-train``."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.check import build
from xcgraph.cli.command import hush_libraries
from xcgraph.cli.refusals import explain
from xcgraph.data.label_inputs import LabelRows, read_label_texts, read_labels, read_texts
from xcgraph.errors import UserError
from xcgraph.predict.export import portable
from xcgraph.predict.from_run import stored_calibration
from xcgraph.predict.predictor import Predictor
from xcgraph.runs.provenance import RunOrigin
from xcgraph.runs.reopen import reopen
from xcgraph.runs.run import Run
from xcgraph.storage.artifacts import write_atomically
from xcgraph.storage.temp_folders import temp_folder

_DATA = "data"


def fit(  # noqa: PLR0913 - the arguments of a training, all but two with defaults
    texts: object,
    labels: object,
    *,
    label_texts: object = None,
    recipe: str = "joint",
    validation: object = None,
    overrides: Sequence[str] = (),
    seed: int = 0,
    progress: str = "auto",
    folder: str | Path | None = None,
    name: str = "data",
) -> Predictor:
    """Train a model on texts and their labels.

    Sizes that the recipe's settings ask for are lowered to what the data allow, with a note in the log.

    Args:
        texts: one text per point: a list, or a NumPy or pandas column.
        labels: one list of label ids per point (strings or integers), a single id per point, or an indicator
            matrix: a SciPy sparse matrix, a two-dimensional NumPy array or a DataFrame of zeros and
            ones.
        label_texts: text of each label: a mapping from id to text, or one text per column of the indicator
            matrix or per integer id; None takes each id as its text.
        recipe: an experiment of ``xcgraph-train``: joint, eclare, decaf, ramen and others.
        validation: share of the points to hold out, or a pair of texts and labels; None holds out 5 %.
        overrides: further settings, as on the command line: ``["hops=2", "stages.joint.max_epochs=10"]``.
        seed: random seed of the run.
        progress: ``auto``, ``bar``, ``lines`` (one per epoch) or ``quiet``.
        folder: keep the run folder here, with the data, the stages and the metrics; None keeps nothing.
        name: name of the data set.

    Returns:
        The model; its predictions name labels by the ids that were given.

    Raises:
        UserError: an argument cannot be used; the message names it.
    """
    train = (read_texts(texts), read_labels(labels))
    _check_lengths(train, "texts", "labels")
    known = read_label_texts(label_texts, train[1])
    pair = _validation_pair(validation)
    with temp_folder("fit") as temporary:
        target = temporary if folder is None else _new_folder(Path(folder))
        tables = _write_tables(target / _DATA, train, known, pair)
        settings = [
            f"experiment={recipe}",
            "data=table",
            f"data.name={json.dumps(name)}",
            *(f"data.{key}={json.dumps(str(value))}" for key, value in tables.items()),
            "data.separator=json",
            "data.test=0.0",
            *([] if validation is None or pair else [f"validation.fraction={validation}"]),
            f"seed={seed}",
            f"progress={progress}",
            f"paths.root={json.dumps(str(target))}",
            f"paths.run={json.dumps(str(target))}",
            *overrides,
        ]
        with _removed_if_refused(target):
            return _train(settings, target, are_integers=train[1].are_integers)


def _validation_pair(validation: object) -> tuple[object, object] | None:
    """Return texts and labels to validate on; None for a share."""
    if isinstance(validation, tuple) and len(validation) == 2:
        return cast(tuple[object, object], validation)
    if validation is None or isinstance(validation, float):
        return None
    raise UserError(f"validation: expected a share or a pair of texts and labels, got {validation!r:.60}.")


@contextmanager
def _removed_if_refused(folder: Path) -> Iterator[None]:
    """Remove what was written for a training that is refused before it has results."""
    try:
        yield
    except UserError:
        if not (folder / "metrics.json").exists() and not (folder / "stages").exists():
            shutil.rmtree(folder / _DATA)
            (folder / "config.yaml").unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def _train(settings: list[str], folder: Path, *, are_integers: bool) -> Predictor:
    config = _compose(settings)
    run: Run = build(config, settings)
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    hush_libraries()
    run.execute(RunOrigin(overrides=tuple(settings)))
    data = run.data.data
    model = portable(
        reopen(folder, run.recipe, run.validation, data=data, seed=run.seed), data, stored_calibration(folder)
    )
    if are_integers:
        model = replace(model, label_ids=tuple(int(label) for label in model.label_ids))
    return Predictor(model)


def _compose(settings: list[str]) -> DictConfig:
    """Compose a config as the command does; a refusal of Hydra becomes one sentence."""
    try:
        with initialize_config_module("xcgraph.conf", version_base="1.3"):
            return compose("train", settings)
    except HydraException as error:
        raise UserError(explain(error, "train", settings) or str(error)) from error


def _new_folder(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"folder={folder}: expected a new or empty folder; choose another or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_lengths(points: tuple[list[str], LabelRows], texts: str, labels: str) -> None:
    if len(points[0]) != len(points[1].rows):
        raise UserError(
            f"{texts} has {len(points[0])} rows and {labels} {len(points[1].rows)}; give one per point."
        )
    if not points[0]:
        raise UserError(f"{texts}: expected at least one point, got none.")


def _write_tables(
    folder: Path,
    train: tuple[list[str], LabelRows],
    known: dict[str, str] | None,
    validation: tuple[object, object] | None,
) -> dict[str, Path]:
    """Write the tables that ``data=table`` reads: the run can be repeated from its folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tables = {"path": _write_points(folder / "train.jsonl", *train)}
    if validation is not None:
        held = (
            read_texts(validation[0], "validation texts"),
            read_labels(validation[1], "validation labels"),
        )
        _check_lengths(held, "validation texts", "validation labels")
        tables["validation"] = _write_points(folder / "validation.jsonl", *held)
    if known is not None:
        rows = ({"id": label, "text": text} for label, text in known.items())
        tables["label_texts"] = _write_lines(folder / "labels.jsonl", rows)
    return tables


def _write_points(path: Path, texts: list[str], labels: LabelRows) -> Path:
    rows = ({"text": text, "labels": row} for text, row in zip(texts, labels.rows, strict=True))
    return _write_lines(path, rows)


def _write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def stages_of(recipe: str) -> list[str]:
    """Return the names of a recipe's stages, in their order.

    Raises:
        UserError: there is no such experiment.
    """
    return [str(stage) for stage in _compose([f"experiment={recipe}", "paths.run=."]).stages]
