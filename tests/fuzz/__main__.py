"""Fuzz every reader: ``python -m tests.fuzz --inputs 1000000``; ``--replay FOLDER`` repeats a failure."""

import argparse
import json
import logging
import math
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from .files import TARGETS as FILES
from .models import TARGETS as MODELS
from .runner import FailureError, Runner, Tally, limit_memory

TARGETS = {target.name: target for target in (*FILES, *MODELS)}


def share_inputs(inputs, names):
    """Divide the number of inputs among the targets."""
    total_share = sum(TARGETS[name].share for name in names)
    return {name: -(-inputs * TARGETS[name].share // total_share) for name in names}


def work(options, scratch):
    """Fuzz in this process, starting where an earlier process ended, and record the progress."""
    limit_memory()
    logging.getLogger("xcgraph").setLevel(logging.ERROR)
    started = time.perf_counter()
    runner, progress = Runner(scratch, Path(options.failures)), scratch / "progress.json"
    done = json.loads(progress.read_text()) if progress.exists() else {}
    goals = share_inputs(options.inputs, options.targets)
    tallies = {name: Tally(**done.get(name, {})) for name in goals}
    for name in goals:
        runner.warm_up(TARGETS[name])
    while any(tallies[name].inputs < goal for name, goal in goals.items()):
        for name, goal in goals.items():
            for _ in range(min(TARGETS[name].share, goal - tallies[name].inputs)):
                runner.run(TARGETS[name], options.seed, tallies[name].inputs, tallies[name])
        progress.write_text(json.dumps({name: vars(tally) for name, tally in tallies.items()}))
        if time.perf_counter() - started > options.seconds:
            break


def supervise(options):
    """Fuzz in a child process. If it dies, keep its input and continue after that input."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(prefix="xcgraph-fuzz-", dir=memory) as folder:
        scratch, progress = Path(folder), Path(folder) / "progress.json"
        while status := _in_child(lambda: work(options, scratch)):
            if status > 0:
                raise SystemExit(f"The child process ended with status {status}.")
            _note_death(status, scratch, progress, Path(options.failures))
        return json.loads(progress.read_text())


def _in_child(job):
    """Run a function in a fork of this process; return its exit status, negative if a signal ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        job()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _note_death(status, scratch, progress, failures):
    about = json.loads((scratch / "about.json").read_text())
    target = failures / about["target"] / f"{about['seed']}-{about['number']}"
    shutil.copytree(scratch / "input", target, dirs_exist_ok=True)
    (target / "error.txt").write_text(f"signal {-status} ended the process\n")
    done = json.loads(progress.read_text()) if progress.exists() else {}
    before = done.get(about["target"], {"read": 0, "refused": 0, "failed": 0, "seconds": 0.0, "kinds": {}})
    counted = before["read"] + before["refused"] + before["failed"]
    before["refused"] += (
        about["number"] - counted
    )  # inputs since progress was last recorded; none of them failed
    before["failed"] += 1
    kind = f"signal {-status}"
    before["kinds"][kind] = before["kinds"].get(kind, 0) + 1
    progress.write_text(json.dumps({**done, about["target"]: before}))


def report(done, seconds):
    """Return the results as a table."""
    lines = ["| reader | inputs | read | refused | failed |", "|---|---|---|---|---|"]
    for name, tally in done.items():
        inputs = tally["read"] + tally["refused"] + tally["failed"]
        lines.append(
            f"| {name} | {inputs:,} | {tally['read']:,} | {tally['refused']:,} | {tally['failed']:,} |"
        )
    total = sum(tally["read"] + tally["refused"] + tally["failed"] for tally in done.values())
    failed = sum(tally["failed"] for tally in done.values())
    lines.append(f"\n{total:,} inputs in {seconds:,.0f} s, {failed:,} failed.")
    kinds = [
        (count, f"{name}: {kind}") for name, tally in done.items() for kind, count in tally["kinds"].items()
    ]
    lines += [f"- {count} × {kind}" for count, kind in sorted(kinds, reverse=True)]
    return "\n".join(lines) + "\n"


def replay(folder):
    """Read an input that was kept, under the same limits."""
    with TemporaryDirectory() as scratch:
        runner = Runner(Path(scratch), Path(scratch))
        try:
            read = runner.attempt(TARGETS[folder.resolve().parent.name], folder.resolve())
        except FailureError as error:
            raise SystemExit(str(error)) from None
    sys.stdout.write("read\n" if read else "refused with an error message\n")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=100_000, help="number of inputs in total (default: 100000)"
    )
    parser.add_argument("--seconds", type=float, default=math.inf, help="maximum duration in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--failures", default="fuzz-failures", help="folder that keeps failing inputs")
    parser.add_argument("--json", help="file to which to append the counts as one line")
    parser.add_argument("--replay", metavar="FOLDER", type=Path, help="folder of an input that failed")
    options = parser.parse_args()
    if options.replay:
        replay(options.replay)
    else:
        started = time.perf_counter()
        done = supervise(options)
        seconds = time.perf_counter() - started
        sys.stdout.write(report(done, seconds))
        if options.json:
            with Path(options.json).open("a") as file:
                file.write(json.dumps({"seed": options.seed, "seconds": seconds, "done": done}) + "\n")


if __name__ == "__main__":
    main()
