"""Writes --help of the commands that take a config: what they do, examples, and the groups of each recipe."""

import itertools
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from xcgraph.cli.catalog import Catalog

_WIDTH = 110
# Groups that only advanced users change. The command line takes them too.
_HIDDEN = ("hparams_search", "paths", "stage")


@dataclass(frozen=True, kw_only=True)
class HelpText:
    """What the help of a command says, beside its groups.

    Attributes:
        primary: name of the primary config, such as ``train``.
        text: what the command does, with examples.
    """

    primary: str
    text: str


TRAIN_HELP = HelpText(
    primary="train",
    text="""\
xcgraph-train trains a recipe, scores the test points, and prints and stores the metrics.
Usage: xcgraph-train [-m] [--config-dir FOLDER] [group=option | key=value]...

Examples:
  xcgraph-train                                             ECLARE on LF-WordNet-8K
  xcgraph-train experiment=joint seed=1                     another recipe and another seed
  xcgraph-train fusion=mean graph.num_neighbors=5           another part and another value
  xcgraph-train -m experiment=eclare,joint seed=0,1,2       a sweep over all combinations: six runs

Options:
  -m, --multirun        run every combination of values with commas; finished cells are not run again
  --config-dir FOLDER   config files of your own, in folders named like the groups below
  --cfg job             show the config with all its keys, and train nothing
  --hydra-help          options of Hydra, which reads the command line
Outputs: runs/DATA/NAME/TIME has metrics.json, predictions.npz, config.yaml, run.json and stages/;
  a cell of a sweep is in runs/sweeps/DATA/NAME/HASH. paths.root=FOLDER writes elsewhere.
""",
)
EVALUATE_HELP = HelpText(
    primary="evaluate",
    text="""\
xcgraph-evaluate measures a file of predictions against the test points of a data set.
Usage: xcgraph-evaluate predictions=FILE [group=option | key=value]...

Examples:
  xcgraph-evaluate predictions=runs/LF-WordNet-8K/eclare/TIME/predictions.npz data=lf_wordnet_8k
  xcgraph-evaluate predictions=scores.npz data=xc_folder data.path=FOLDER top_k=[1,10]

FILE is an npz file as scipy.sparse.save_npz writes it: (points, labels) scores. The command prints a table.
Options:
  --config-dir FOLDER   config files of your own, in folders named like the groups below
  --cfg job             show the config with all its keys, and measure nothing
  --hydra-help          options of Hydra, which reads the command line
""",
)


def wants_help(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for help."""
    return "--help" in arguments or "-h" in arguments


def write_help(command: HelpText, arguments: Sequence[str]) -> None:
    """Write the help of a command to standard output.

    Args:
        command: the text of the help.
        arguments: the command line, which may name a folder of config files.
    """
    catalog = Catalog(_config_dirs(arguments))
    sys.stdout.write("\n".join([command.text, *_describe_groups(catalog, command.primary), ""]))


def _config_dirs(arguments: Sequence[str]) -> list[str]:
    named = ("--config-dir", "-cd")
    after = [value for name, value in itertools.pairwise(arguments) if name in named]
    return after + [each.partition("=")[2] for each in arguments if each.startswith("--config-dir=")]


def _describe_groups(catalog: Catalog, primary: str) -> Iterator[str]:
    shared = catalog.outline(primary, {"recipe": None}).groups
    if "recipe" in shared:
        yield "Experiments (experiment=…): a recipe with settings. The first ones are the main methods."
        yield from _experiments(catalog.options("experiment"))
        yield "\nGroups of each recipe (recipe=…), with those that other options bring:"
        for recipe in catalog.options("recipe"):
            yield from _wrapped(recipe, sorted(_own_groups(catalog, recipe, shared)))
    yield "\nOptions of each group:"
    for group in catalog.groups:
        is_known = "recipe" in shared or group in shared
        if is_known and group not in (*_HIDDEN, "recipe", "experiment"):
            yield from _wrapped(group, catalog.options(group))


def _experiments(names: Iterable[str]) -> Iterator[str]:
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, _, stem = name.rpartition("/")
        folders.setdefault(folder, []).append(stem)
    for folder, stems in folders.items():
        if not folder:
            yield from _wrapped("", stems)
        else:
            first = f"{folder}/{stems[0]}"
            yield f"  {folder}/ has {len(stems)} more, such as {first}; experiment={folder}/ lists them."


def _own_groups(catalog: Catalog, recipe: str, shared: Iterable[str]) -> set[str]:
    """Return the groups of a recipe, and the groups that options of its groups bring."""
    chosen = catalog.outline("train", {"recipe": recipe}).groups
    found = {group.partition("@")[0] for group in chosen if group not in shared}
    for group in [name for name in chosen if name not in shared and "@" not in name]:
        for option in catalog.options(group):
            others = catalog.outline("train", {"recipe": recipe, group: option}).groups
            found |= {name.partition("@")[0] for name in others if name not in shared}
    return found - set(_HIDDEN)


def _wrapped(name: str, words: Sequence[str]) -> Iterator[str]:
    start = f"  {name:<19}" if name else "  "
    yield from textwrap.wrap(
        " ".join(words),
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )
