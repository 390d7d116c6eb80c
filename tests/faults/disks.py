"""Give commands a disk that becomes full or is read-only; then room, and the same commands once more.

    python -m tests.faults.disks --sizes 6

Each command runs in a small tmpfs, once for each of some sizes between nothing and what it needs, so that the
disk is full at one writer after another; and once on a tmpfs that is read-only. Each time it has to say so in
one sentence, without a traceback and without drafts or half-written results. Given room, the same command has
to end with the same bytes as one that always had room. It needs a mount namespace: ``unshare -rm``.
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
# A sweep says it of each cell that failed.
_SENTENCE = re.compile(
    r"(?:^|(?<=failed, see error\.txt there: ))"
    r"(?:The disk is full|Cannot write (?:the output|to the artifact folder)).*$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A command on a disk that did not take all.

    Attributes:
        command: its name.
        disk: what was wrong with the disk.
        said: the sentence.
        difference: what is not as it should be; empty if all is.
    """

    command: str
    disk: str
    said: str
    difference: str


class Disk:
    """A tmpfs.

    Args:
        place: where it is mounted.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        _call("mount", "-t", "tmpfs", "-o", f"size={_PLENTY}k", "none", str(place))

    def used(self) -> int:
        """Return how much is on it, in KiB."""
        state = os.statvfs(self.place)
        return (state.f_blocks - state.f_bfree) * state.f_frsize // 1024

    def become(self, options: str) -> None:
        """Change how it is mounted."""
        _call("mount", "-o", f"remount,{options}", str(self.place))

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_: object) -> None:
        _call("umount", str(self.place))


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


def try_disks(command: Command, sizes: int, place: Path) -> Iterator[Trial]:
    """Run a command on disks of so many sizes, and on one that is read-only."""
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
        disk.become("ro" if room is None else f"size={max(disk.used() + room, 4)}k")
        log_of(place).write_text("")
        status = fork_script(command.script, command.arguments, place).wait()
        said = log_of(place).read_text("utf-8")
        difference = _told(status, said) or _half_written(command.found(place), expected, place)
        disk.become(f"rw,size={_PLENTY}k")
        if not difference:
            status = fork_script(command.script, command.arguments, place).wait()
            equal = status == 0 and command.found(place) == expected
            left = left_behind(place)
            difference = (
                "" if equal and not left else f"given room: status {status}, equal {equal}, left {left}"
            )
    sentence = _SENTENCE.search(said)
    return Trial(
        command=command.name,
        disk=name,
        said=sentence[0].replace(str(place), "…") if sentence else "",
        difference=difference,
    )


def _told(status: int, said: str) -> str:
    if status == 0:
        return "it ended well"
    if "Traceback" in said or "Logging error" in said or _SENTENCE.search(said) is None:
        return f"status {status}: {said[-2000:]}"
    return ""


def _half_written(found: dict[str, bytes], expected: dict[str, bytes], place: Path) -> str:
    """Unfinished stages may stay, for the same command goes on in them; drafts and broken results may not."""
    broken = [name for name, content in found.items() if content != expected.get(name)]
    drafts = [name for name in left_behind(place) if "/artifacts/" not in name and "/converted/" not in name]
    drafts += [name for name in left_behind(place) if not name.endswith(".partial")]
    return f"broken: {broken}, left: {drafts}" if broken or drafts else ""


def table(trials: Sequence[Trial]) -> Table:
    """Lay out the trials."""
    shown = Table("command", "disk", "said", "given room")
    for trial in trials:
        shown.add_row(trial.command, trial.disk, trial.said, trial.difference or "equal")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.disks", description=__doc__)
    parser.add_argument("--sizes", type=int, default=6, metavar="N", help="of each command (default: 6)")
    names = [command.name for command in COMMANDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {names}")
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
    sys.stdout.write(f"{len(trials)} disks, {len(wrong)} of them not as they should be.\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
