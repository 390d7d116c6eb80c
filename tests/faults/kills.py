"""Kill commands at random times, repeat them, and compare the results with those of undisturbed commands.

    python -m tests.faults.kills --kills 24 --seed 0

Each kill sends SIGKILL to the whole process group, at a time drawn uniformly from the duration of an
undisturbed run. The same command must then end with the same bytes and leave nothing half-written. The folder
of a killed run stays as it was. The script prints a table of all kills. Its exit status is 1 if a kill made a
difference. ``--only`` selects commands.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.commands import COMMANDS, Command, left_behind, stage_of
from tests.faults.forked import fork_script, load_libraries, log_of


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A kill and its effect.

    Attributes:
        command: name of the command.
        seconds: time of the kill after the start.
        stage: stage that the kill interrupted.
        difference: difference from the undisturbed run; empty if there is none.
    """

    command: str
    seconds: float
    stage: str
    difference: str


@dataclass(frozen=True)
class Undisturbed:
    """The results of a command that was not killed.

    Attributes:
        before: copy of the folder before the command.
        seconds: duration of the command.
        results: content of each result by name.
    """

    before: Path
    seconds: float
    results: dict[str, bytes]


def run_undisturbed(command: Command, folder: Path) -> Undisturbed:
    """Run a command to its end.

    Raises:
        RuntimeError: the command failed, or left other files than results.
    """
    before = folder.with_name(f"{folder.name}-before")
    command.prepare(before)
    shutil.copytree(before, folder)
    started = time.monotonic()
    status = fork_script(command.script, command.arguments, folder).wait()
    seconds, results = time.monotonic() - started, command.found(folder)
    if status or not results or left_behind(folder):
        raise RuntimeError(f"{command.name} ended with {status}: {log_of(folder).read_text('utf-8')}")
    return Undisturbed(before, seconds, results)


def kill_once(command: Command, expected: Undisturbed, folder: Path, rng: random.Random) -> Kill | None:
    """Kill a command once and repeat it; return None if it ended before the kill."""
    shutil.copytree(expected.before, folder)
    before = set(folder.rglob("*"))
    seconds = rng.uniform(0, expected.seconds)
    if not fork_script(command.script, command.arguments, folder).kill_after(seconds):
        return None
    stage = stage_of(folder, before)
    status = fork_script(command.script, command.arguments, folder).wait()
    difference = _difference(status, command.found(folder), expected.results)
    if not difference and (left := left_behind(folder)):
        difference = f"left behind: {', '.join(left)}"
    return Kill(command=command.name, seconds=seconds, stage=stage, difference=difference)


def _difference(status: int, found: dict[str, bytes], expected: dict[str, bytes]) -> str:
    if status:
        return f"exit status {status}"
    other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"other content: {', '.join(other)}" if other else ""


def kill_commands(commands: Sequence[Command], kills: int, seed: int, root: Path) -> Iterator[Kill]:
    """Kill each command in turn until there are enough kills; keep only folders that show a difference."""
    rng = random.Random(seed)
    undisturbed: dict[str, Undisturbed] = {}
    done = 0
    while done < kills:
        command = commands[done % len(commands)]
        if command.name not in undisturbed:
            folder = root / command.name.replace(" ", "-")
            undisturbed[command.name] = run_undisturbed(command, folder)
        folder = root / f"kill-{done}"
        outcome = kill_once(command, undisturbed[command.name], folder, rng)
        if outcome is not None:
            done += 1
            yield outcome
        if outcome is None or not outcome.difference:
            shutil.rmtree(folder)


def table(kills: Sequence[Kill]) -> Table:
    """Return a table of the kills, sorted by command."""
    shown = Table("command", "killed after", "stage", "repeated")
    for kill in sorted(kills, key=lambda kill: (kill.command, kill.seconds)):
        shown.add_row(kill.command, f"{kill.seconds:.1f} s", kill.stage, kill.difference or "equal")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=24, metavar="N", help="number of kills in total (default: 24)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed for the times of the kills (default: 0)"
    )
    names = [command.name for command in COMMANDS]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"names of commands, from {names}",
    )
    options = parser.parse_args(arguments)
    load_libraries()
    root = Path(tempfile.mkdtemp(prefix="kills-"))
    commands = [command for command in COMMANDS if command.name in options.only]
    kills: list[Kill] = []
    for kill in kill_commands(commands, options.kills, options.seed, root):
        kills.append(kill)
        sys.stderr.write(f"{kill.command}, {kill.stage}: {kill.difference or 'equal'}\n")
    different = [kill for kill in kills if kill.difference]
    Console(width=150).print(table(kills))
    sys.stdout.write(f"{len(kills)} kills, {len(different)} of them made a difference")
    sys.stdout.write(f": see {root}.\n" if different else ".\n")
    if not different:
        shutil.rmtree(root)
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
