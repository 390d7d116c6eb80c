"""Run commands on a full or a read-only disk; then add space and run them again.

    python -m tests.faults.disks --sizes 6

Each command runs in a small tmpfs, with several sizes between zero and the size that it needs, so that the
disk becomes full in different writers. It also runs once on a read-only tmpfs. Each time the command must
report the disk in one sentence, without a traceback, and leave no drafts or partial results. With enough
space, the same command must then produce the same bytes as a run that always had enough space. The script
needs a mount namespace: ``unshare -rm``.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.commands import COMMANDS, Command, left_behind
from tests.faults.forked import fork_script, load_libraries, log_of

INSIDE = ("unshare", "--map-root-user", "--mount")
_PLENTY = 256 * 1024
# A sweep prints the sentence for each cell that failed.
_SENTENCE = re.compile(
    r"(?:^|(?<=failed, see error\.txt there: ))"
    r"(?:The disk is full|Cannot write (?:the output|to the artifact folder)|\S+=\S+: cannot write in ).*$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A command on a full or a read-only disk.

    Attributes:
        command: name of the command.
        disk: the fault of the disk.
        said: sentence that the command printed.
        difference: first difference from the expected behaviour; empty if there is none.
    """

    command: str
    disk: str
    said: str
    difference: str


class Disk:
    """A mounted tmpfs.

    Args:
        place: mount point.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        _call("mount", "-t", "tmpfs", "-o", f"size={_PLENTY}k", "none", str(place))

    def used(self) -> int:
        """Return the used space in KiB."""
        state = os.statvfs(self.place)
        return (state.f_blocks - state.f_bfree) * state.f_frsize // 1024

    def remount(self, options: str) -> None:
        """Change the mount options."""
        _call("mount", "-o", f"remount,{options}", str(self.place))

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_: object) -> None:
        _call("umount", str(self.place))


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


def try_disks(command: Command, sizes: int, place: Path) -> Iterator[Trial]:
    """Run a command on disks of several sizes, and on a read-only disk."""
    template = place.with_name(f"{command.name} before")
    command.prepare(template)
    with Disk(place) as disk:
        shutil.copytree(template, place, dirs_exist_ok=True)
        before = disk.used()
        status = fork_script(command.script, command.arguments, place).wait()
        expected, needed = command.found(place), disk.used() - before
        if status or not expected:
            raise RuntimeError(f"{command.name} ended with {status}: {log_of(place).read_text('utf-8')}")
    for number in range(sizes):
        room = needed * number // sizes
        yield _try(command, f"{room} of {needed} KiB free", room, (template, place), expected)
    yield _try(command, "read-only", None, (template, place), expected)


def _try(
    command: Command, name: str, room: int | None, places: tuple[Path, Path], expected: dict[str, bytes]
) -> Trial:
    template, place = places
    with Disk(place) as disk:
        shutil.copytree(template, place, dirs_exist_ok=True)
        disk.remount("ro" if room is None else f"size={max(disk.used() + room, 4)}k")
        log_of(place).write_text("")
        status = fork_script(command.script, command.arguments, place).wait()
        said = log_of(place).read_text("utf-8")
        difference = _check_message(status, said) or _half_written(command.found(place), expected, place)
        disk.remount(f"rw,size={_PLENTY}k")
        if not difference:
            status = fork_script(command.script, command.arguments, place).wait()
            equal = status == 0 and command.found(place) == expected
            left = left_behind(place)
            difference = (
                ""
                if equal and not left
                else f"with enough space: status {status}, equal {equal}, left behind {left}"
            )
    sentence = _SENTENCE.search(said)
    return Trial(
        command=command.name,
        disk=name,
        said=sentence[0].replace(str(place), "…") if sentence else "",
        difference=difference,
    )


def _check_message(status: int, said: str) -> str:
    if status == 0:
        return "exit status 0"
    if "Traceback" in said or "Logging error" in said or _SENTENCE.search(said) is None:
        return f"status {status}: {said[-2000:]}"
    return ""


def _half_written(found: dict[str, bytes], expected: dict[str, bytes], place: Path) -> str:
    """Describe drafts and broken results. Unfinished stages may stay: the repeated command continues them."""
    broken = [name for name, content in found.items() if content != expected.get(name)]
    drafts = [name for name in left_behind(place) if "/artifacts/" not in name and "/converted/" not in name]
    drafts += [name for name in left_behind(place) if not name.endswith(".partial")]
    return f"broken: {broken}, left: {drafts}" if broken or drafts else ""


def table(trials: Sequence[Trial]) -> Table:
    """Return a table of the trials."""
    shown = Table("command", "disk", "message", "with enough space")
    for trial in trials:
        shown.add_row(trial.command, trial.disk, trial.said, trial.difference or "equal")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.disks", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, default=6, metavar="N", help="number of sizes for each command (default: 6)"
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
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.inside:
        module = [sys.executable, "-m", "tests.faults.disks", "--inside"]
        os.execvp(INSIDE[0], [*INSIDE, *module, *(sys.argv[1:] if arguments is None else arguments)])
    load_libraries()
    with tempfile.TemporaryDirectory(prefix="disks-") as root:
        place = Path(root, "disk")
        place.mkdir()
        commands = [command for command in COMMANDS if command.name in options.only]
        trials = [trial for command in commands for trial in try_disks(command, options.sizes, place)]
    Console(width=200).print(table(trials))
    wrong = [trial for trial in trials if trial.difference]
    sys.stdout.write(f"{len(trials)} disks, {len(wrong)} with unexpected behaviour.\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
