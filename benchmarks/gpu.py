"""Measure training steps on a GPU: points per second, memory and utilization.

    python -m benchmarks.gpu [--labels 131072] [--steps 20] [--recipe]

Points and labels are random rows with the sizes of LF-AmazonTitles-131K. A step includes the transfer of its
batch to the GPU. The benchmark counts two things over all operations of a step: the bytes of their input and
output tensors, and the floating-point operations of matrix products. It compares both with the rates of a
large matrix copy and a large matrix product on the same GPU. ``--recipe`` also trains ECLARE with three trees
at that size, as ``benchmarks.ours`` does. ``--device cpu`` runs the benchmark without a GPU.
"""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import peak_memory_gib, repeat
from benchmarks.comparison import Found
from benchmarks.process import circumstances, markdown, markdown_row, run_module, say_line, show
from benchmarks.stages import SIZES
from benchmarks.training_step import STAGES, Setting, setting, steps

_WARM_UPS = 3


class Card(NamedTuple):
    """Best rates of the GPU, in operations and bytes per second."""

    operations: float
    bytes: float


class Measured(NamedTuple):
    """Measurements of one kind of training step.

    Attributes:
        points_per_second: training throughput.
        gib: peak memory of tensors on the GPU; without a GPU, peak memory of the process.
        kernels: share of the time in which GPU kernels ran; None without a GPU.
        waits: number of times that the CPU waited for the GPU in one step; None without a GPU.
        operations: floating-point operations of matrix products per second.
        bytes: bytes of input and output tensors per second.
    """

    points_per_second: float
    gib: float
    kernels: float | None
    waits: int | None
    operations: float
    bytes: float


class ByteCounter(TorchDispatchMode):
    """Sum the bytes of input and output tensors of all operations, except views, which move no data."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's
        del types
        found = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):
            leaves = tree_leaves((args, kwargs, found))
            self.total += sum(_bytes(leaf) for leaf in leaves if isinstance(leaf, Tensor))
        return found


def _bytes(tensor: Tensor) -> int:
    if tensor.layout is not torch.strided:
        return 0  # the operation that creates the values counts them
    return tensor.numel() * tensor.element_size()


def measure(found: Setting, device: torch.device, count: int) -> Measured:
    """Measure steps of a stage: first time and memory, then each other quantity in separate steps."""
    on_card = device.type == "cuda"
    taking = steps(found, device.type)

    def take() -> None:
        next(taking)
        if on_card:
            torch.cuda.synchronize()

    if on_card:
        torch.cuda.reset_peak_memory_stats()
    seconds = sum(one.seconds for one in repeat(take, count, _WARM_UPS)) / count
    gib = torch.cuda.max_memory_allocated() / 2**30 if on_card else peak_memory_gib()
    with FlopCounterMode(display=False) as operations:
        take()
    with ByteCounter() as moved:
        take()
    return Measured(
        points_per_second=len(found.batches[0]) / seconds,
        gib=gib,
        kernels=_in_kernels(taking, count) if on_card else None,
        waits=_waits(taking) if on_card else None,
        operations=operations.get_total_flops() / seconds,
        bytes=moved.total / seconds,
    )


def _in_kernels(taking: Iterator[None], count: int) -> float:
    def take_all() -> None:
        for _ in range(count):
            next(taking)
        torch.cuda.synchronize()

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        (took,) = repeat(take_all, 1, warm_ups=0)
    return sum(event.self_device_time_total for event in found.key_averages()) / 1e6 / took.seconds


def _waits(taking: Iterator[None]) -> int:
    """Count torch's warnings about calls that wait for the GPU."""
    with _warn_about_waits(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        next(taking)
    return sum("synchronizing" in str(each.message) for each in caught)


@contextmanager
def _warn_about_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def card(device: torch.device, size: int) -> Card:
    """Measure the rates of a matrix product and a matrix copy; products may use bfloat16, as in training."""
    one, other = torch.ones(size, size, device=device), torch.empty(size, size, device=device)

    def best(task: Any) -> float:  # noqa: ANN401 - any call
        def run() -> None:
            task()
            if device.type == "cuda":
                torch.cuda.synchronize()

        return min(each.seconds for each in repeat(run, 5))

    operations = 2 * size**3 / best(lambda: torch.mm(one, one, out=other))
    return Card(operations, 2 * one.numel() * one.element_size() / best(lambda: other.copy_(one)))


def row(stage: str, found: Measured, best: Card) -> tuple[str, ...]:
    """Return the table row of one stage."""
    return (
        stage,
        f"{found.points_per_second:,.0f}",
        f"{found.gib:.2f}",
        "–" if found.kernels is None else f"{found.kernels:.0%}",
        "–" if found.waits is None else str(found.waits),
        f"{show(found.operations / 1e12)} ({found.operations / best.operations:.0%})",
        f"{show(found.bytes / 1e9)} ({found.bytes / best.bytes:.0%})",
    )


HEADER = ("stage", "points/s", "GiB", "in kernels", "waits", "10¹² operations/s", "10⁹ bytes/s")


def whole_recipe(device: torch.device) -> Found:
    """Train ECLARE with three trees on synthetic data with the size of LF-AmazonTitles-131K."""
    where = [] if device.type == "cpu" else ["trainer=gpu"]
    return run_module("benchmarks.ours", *SIZES["131k"], "num_trees=3", *where)


def main() -> None:
    """Measure every stage and print a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--labels", type=int, default=131_072, help="number of labels (default: 131072)")
    parser.add_argument("--dim", type=int, default=256, help="length of the vectors (default: 256)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps per stage (default: 20)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda")
    parser.add_argument("--recipe", action="store_true", help="also train ECLARE at that size")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: torch found no GPU; use --device cpu to run without one.")
    device = torch.device(options.device)
    torch.set_float32_matmul_precision("medium")
    best = card(device, 8192 if device.type == "cuda" else 1024)
    machine = circumstances()["machine"]
    say_line(f"{machine['accelerator'] or machine['processor']}\n\n{markdown(HEADER, [])}")
    for stage in STAGES:
        found = measure(setting(stage, options.labels, options.dim), device, options.steps)
        say_line(markdown_row(row(stage, found, best)))
    if options.recipe:
        took = whole_recipe(device)["training"]["seconds"]
        say_line(f"\nTraining of ECLARE with three trees: {took:,.0f} s.")


if __name__ == "__main__":
    main()
