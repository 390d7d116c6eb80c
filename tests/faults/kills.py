"""Kill commands at random moments, give them again, and compare with commands that nobody disturbed.

    python -m tests.faults.kills --kills 24 --seed 0

Each kill is SIGKILL to the whole process group, at a moment drawn uniformly from the time that the command
takes undisturbed. The same command then has to end with the same bytes and to leave nothing half-written;
the folder of a run that was killed stays as it was. A table tells of each kill; the exit status is 1 if one
made a difference. ``--only`` takes some commands.
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
    """One kill and what came of it.

    Attributes:
        command: its name.
        seconds: after the start.
        stage: in which it fell.
        difference: what is not as in the undisturbed run; empty if all is.
    """

    command: str
    seconds: float
    stage: str
    difference: str


@dataclass(frozen=True)
class Undisturbed:
    """What a command leaves that nobody killed.

    Attributes:
        before: a folder as it was before.
        seconds: that it took.
        results: content by name.
    """

    before: Path
    seconds: float
    results: dict[str, bytes]


def run_undisturbed(command: Command, folder: Path) -> Undisturbed:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed, or left other things than results.
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


def kill_once(command: Command, expected: Undisturbed, folder: Path, draw: random.Random) -> Kill | None:
    """Kill a command once and give it again; None if it ended before it was killed."""
    shutil.copytree(expected.before, folder)
    before = set(folder.rglob("*"))
    seconds = draw.uniform(0, expected.seconds)
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
    """Kill each command in turn until there are so many kills; a run's folder goes when all was well."""
    draw = random.Random(seed)
    undisturbed: dict[str, Undisturbed] = {}
    done = 0
    while done < kills:
        command = commands[done % len(commands)]
        if command.name not in undisturbed:
            folder = root / command.name.replace(" ", "-")
            undisturbed[command.name] = run_undisturbed(command, folder)
        folder = root / f"kill-{done}"
        outcome = kill_once(command, undisturbed[command.name], folder, draw)
        if outcome is not None:
            done += 1
            yield outcome
        if outcome is None or not outcome.difference:
            shutil.rmtree(folder)


def table(kills: Sequence[Kill]) -> Table:
    """Lay out the kills by command."""
    shown = Table("command", "killed after", "in", "given again")
    for kill in sorted(kills, key=lambda kill: (kill.command, kill.seconds)):
        shown.add_row(kill.command, f"{kill.seconds:.1f} s", kill.stage, kill.difference or "equal")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=24, metavar="N", help="in all (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    names = [command.name for command in COMMANDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {names}")
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
