"""Run all benchmarks (xcgraph, the reference, other libraries) and write one Markdown file.

    make bench                     # takes at most 40 minutes on 2 cores
    python -m benchmarks --parts 8k
    python -m benchmarks --long    # also trains whole recipes at 40k, and measures 131k in full: hours

FOLDER also gets the numbers of each part as JSON. Run nothing else on the machine at the same time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import CalledProcessError
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks.comparison import Contest, table
from benchmarks.process import circumstances, markdown, note, run_module, say_line
from benchmarks.stages import HEADER, ONE_EPOCH, SIZES, measure

OUT = Path(__file__).parent / "out"


class Size(NamedTuple):
    """The measurements of one dataset size.

    Attributes:
        stages: key in ``SIZES`` with the overrides for our single steps.
        ours: overrides for training our whole recipe, or None if that takes too long.
        peers: command-line flags for the other libraries, or None to skip them.
        reference: command-line flags for the reference.
        variants: overrides of more recipes of ours, by name; each is compared with the same reference.
    """

    stages: str
    ours: tuple[str, ...] | None
    peers: tuple[str, ...] | None
    reference: tuple[str, ...]
    variants: Mapping[str, tuple[str, ...]] = MappingProxyType({})


_ONCE = ("--epochs", "1", "1", "1", "--max-batches", "20", "--test-points", "2000")
_COARSE = {  # each meta-label has four or five labels
    "40k": ("--meta-labels", "8192"),
    "131k/8": ("--meta-labels", "4096"),
    "131k": ("--meta-labels", "32768"),
}
_40K_PEERS = ("--data", "lf_wordnet_40k", "--runs", "1")
_VARIANTS = {
    "eclare_large_batches": ("experiment=ablation/eclare_large_batches", "num_trees=1"),
    "joint": ("experiment=joint",),
}
SHORT = {
    "8k": Size("8k", ("num_trees=1",), ("--data", "lf_wordnet_8k"), ("data=lf_wordnet_8k",), _VARIANTS),
    "40k": Size("40k", None, _40K_PEERS, (*_ONCE, *_COARSE["40k"], "data=lf_wordnet_40k")),
    "131k": Size("131k/8", None, None, (*_ONCE, *_COARSE["131k/8"], *SIZES["131k/8"])),
}
LONG = {
    "8k": SHORT["8k"],
    "40k": Size(
        "40k",
        ("experiment=data_set/eclare_lf_wordnet_40k",),
        _40K_PEERS,
        (*_COARSE["40k"], "data=lf_wordnet_40k"),
    ),
    "131k": Size("131k", None, None, (*_ONCE, *_COARSE["131k"], *SIZES["131k"])),
}
OTHERS = {
    "parse": ("benchmarks.parse", "--megabytes", "100"),
    "loader": ("benchmarks.loader", "--repetitions", "3", "--batches", "20"),
    "growth": ("benchmarks.growth",),
}


def contest(size: Size, steps: dict[str, float]) -> Contest:
    """Measure our recipe, the reference and the other libraries at one size."""
    ours = _ours(size.ours) if size.ours else None
    reference = _attempt(lambda: run_module("benchmarks.reference", *size.reference))
    peers = _attempt(lambda: run_module("benchmarks.peers", *size.peers)) if size.peers else None
    known = next((found["data"] for found in (ours, reference, peers) if found), size.stages)
    return Contest(known, ours, reference, (peers or {}).get("peers", {}), steps)


def variants(size: Size, beside: Contest) -> list[Contest]:
    """Measure more of our recipes and compare each with the same reference."""
    return [
        Contest(f"{beside.data}, {name}", _ours(overrides), beside.reference, {}, {})
        for name, overrides in size.variants.items()
    ]


def stages(size: Size) -> tuple[list[Any], str]:
    """Measure each of our steps in its own process; return the steps and their Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*SIZES[size.stages], *ONE_EPOCH]
        found = []
        for step in measure(overrides, Path(folder), seconds=30.0):
            note(f"{size.stages}: {step.name} {step.seconds.median:.2f} s, {step.gib:.2f} GiB")
            found.append(step)
    return found, markdown(HEADER, [step.row() for step in found])


def _ours(overrides: Sequence[str]) -> dict[str, Any] | None:
    return _attempt(lambda: run_module("benchmarks.ours", *overrides))


def _attempt(task: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the result of a measurement, or None if its process failed; its errors are on the terminal."""
    try:
        return task()
    except CalledProcessError as error:
        note(f"Skipped: {' '.join(map(str, error.cmd[2:]))} exited with status {error.returncode}.")
        return None


def other(name: str, out: Path) -> str:
    """Run a benchmark that prints Markdown and return its table."""
    module, *flags = OTHERS[name]
    command = [sys.executable, "-m", module, *flags, *(["--out", str(out)] if name == "growth" else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return f"Not measured: the benchmark exited with status {done.returncode}."
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith("|"))


def run_all(parts: Sequence[str], sizes: dict[str, Size], out: Path) -> str:
    """Run the chosen parts and return the whole Markdown page."""
    contests, sections = [], []
    for name in parts:
        note(f"## {name}")
        if name in OTHERS:
            sections.append(f"## {name}\n\n{other(name, out)}")
            continue
        found, steps = stages(sizes[name])
        sections.append(f"## Our steps, {sizes[name].stages}\n\n{steps}")
        contests.append(contest(sizes[name], {step.name: step.seconds.median for step in found}))
        _keep(out / f"{name}.json", {**contests[-1]._asdict(), "our_steps": found})
        contests += variants(sizes[name], contests[-1])
    head = f"# Benchmarks\n\n{_header()}"
    beside = [f"## Beside others\n\n{_NOTE}\n\n{table(contests)}"] if contests else []
    return "\n\n".join([head, *beside, *sections]) + "\n"


_NOTE = (
    "All recipes train one tree. The training time of the reference is the time of its steps plus "
    "20 + 10 + 10 times its median epoch. The reference has the settings of the public code (D = 300); ours "
    "are our defaults. Prediction runs on one thread. Our epochs include validation."
)


def _header() -> str:
    about = circumstances()
    machine, git = about["machine"], about["git"] or {"commit": "unknown", "dirty": False}
    packages = (f"{name} {about['versions'][name]}" for name in ("torch", "numpy", "scipy", "numba"))
    facts = [
        about["date"],
        f"commit {git['commit'][:10]}{' with changes' if git['dirty'] else ''}",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_mib']} MiB",
        f"Python {about['python']}, {', '.join(packages)}",
    ]
    return f"{'; '.join(facts)}.\n\n```sh\n{about['command']}\n```"


def _keep(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1), "utf-8")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SHORT, *OTHERS]
    add = parser.add_argument
    add("--parts", nargs="+", choices=names, default=names, help="parts to run (default: all)")
    add("--long", action="store_true", help="train whole recipes at 40k; measure 131k in full")
    add("--out", type=Path, default=OUT, metavar="FOLDER", help="output folder (default: benchmarks/out)")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the benchmarks, print the page and write it to ``benchmarks.md``."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    page = run_all(options.parts, LONG if options.long else SHORT, options.out)
    (options.out / "benchmarks.md").write_text(page, "utf-8")
    say_line(page)


if __name__ == "__main__":
    main()
