"""xcgraph-report: tables, statistics and figures of finished runs, as Markdown and one HTML page."""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xcgraph.cli.check import build_node
from xcgraph.cli.command import Advice, hush_libraries, run_command
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.pipeline.reopen import reopen, view_shares
from xcgraph.pipeline.run import Run
from xcgraph.report.html import render_html
from xcgraph.report.markdown import render_markdown
from xcgraph.report.report import BASE, build_report, write_files
from xcgraph.report.runs import RunFolder
from xcgraph.report.section import ViewWeights

_log = logging.getLogger(__name__)

_ADVICE = Advice(interrupted="the report that was there before is still there", output="--out")
# A run folder may come from someone else, and its config names what is called.
_TRUSTED = ("xcgraph", "data_modules")
_TRUSTED_NAMES = ("pytorch_lightning.Trainer",)


class ConfigSources:
    """Reads the data and models of runs as their configs describe them.

    Args:
        trusted: packages whose classes a run's config may name, beside those of xcgraph.
        cache: where files are kept in the form in which they are read fast, if the run's own place is gone.
    """

    def __init__(self, trusted: Sequence[str], cache: Path) -> None:
        self._trusted = (*_TRUSTED, *trusted)
        self._cache = cache
        self._data: dict[str, XCData] = {}

    def data(self, run: RunFolder) -> XCData:
        """Read the data set of a run's config, once for all runs on it.

        Raises:
            UserError: it cannot be read, or the config names a class of a package that is not trusted.
        """
        fingerprint = run.facts["data"]["fingerprint"]
        if fingerprint not in self._data:
            self._data[fingerprint] = self._module(run).read()
        return self._data[fingerprint]

    def test_texts(self, run: RunFolder) -> Sequence[str]:
        """Return the texts of the test points; empty where the data set has none."""
        found = self._module(run).point_texts()
        texts = () if found is None else tuple(found.test)
        return texts if len(texts) == len(self.data(run).test) else ()

    def view_weights(self, run: RunFolder, labels: Sequence[int]) -> ViewWeights | None:
        """Return how the run's first ranker weighs the views of some labels; None where it does not."""
        node = OmegaConf.create(dict(run.config.get("run") or {}))
        if OmegaConf.select(node, "recipe.num_trees") is not None:
            node.recipe.num_trees = 1
        try:
            built = self._build(node)
            if not isinstance(built, Run):
                raise UserError("its config describes no run.")
            model = reopen(run.path, built.recipe, built.validation, data=self.data(run), seed=run.seed)
        except UserError as error:
            _log.warning("No view weights of %s: %s", run.path, error)
            return None
        shares = view_shares(model, labels)
        return (
            ViewWeights(views=tuple(shares), shares=[*zip(*shares.values(), strict=True)]) if shares else None
        )

    def _module(self, run: RunFolder) -> XCDataModule:
        node = OmegaConf.create(dict(run.config["data"]))
        if "cache" in node and not Path(str(node.cache)).is_dir():
            node.cache = str(self._cache)
        module = self._build(node)
        if not isinstance(module, XCDataModule):
            raise UserError(
                f"{run.path}: expected a data module in config.yaml, found {type(module).__name__}."
            )
        return module

    def _build(self, node: DictConfig) -> Any:  # noqa: ANN401 - what the config says
        for target in _targets(OmegaConf.to_container(node, resolve=True)):
            self._check(target)
        return build_node(node)

    def _check(self, target: str) -> None:
        """Refuse what is not of a trusted package, by its name and by where it was really defined."""
        if target in _TRUSTED_NAMES:
            return
        is_trusted = target.partition(".")[0] in self._trusted
        if not is_trusted or get_object(target).__module__.partition(".")[0] not in self._trusted:
            package = target.partition(".")[0]
            raise UserError(
                f"The run's config names {target}, which is not of xcgraph: "
                f"if you trust it, add --trust {package}."
            )


def _targets(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a config
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for child in node.values():
            yield from _targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from _targets(child)


def report(options: argparse.Namespace) -> None:
    """Write the report."""
    with tempfile.TemporaryDirectory(prefix="xcgraph-report-") as cache:
        sources = ConfigSources(options.trust, Path(cache))
        found = build_report([Path(place) for place in options.runs], sources, base=options.base)
    out = Path(options.out)
    write_files(out, {**render_markdown(found), **render_html(found)})
    lines = f"{found.summary}\nWritten: {out / 'report.md'} and {out / 'report.html'}"
    Console().print(lines, markup=False, highlight=False, soft_wrap=True)


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-report",
        description="Tables, statistics and figures of finished runs, as Markdown and one HTML page.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUNS", help="run folders, or folders that contain some at any depth"
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="gets report.md, report.html and figures/"
    )
    parser.add_argument(
        "--base", metavar="NAME", help=f"the experiment that others are compared with (default: {BASE})"
    )
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="a package of your own whose classes the runs' configs name; may be given again",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    hush_libraries()
    run_command(lambda: report(options), _ADVICE)


if __name__ == "__main__":
    main()
