"""Metric tables for the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table


def print_metrics(title: str, metrics: Mapping[str, float]) -> None:
    """Print metrics named like ``P@1`` with a row per metric and a column per k, in percent."""
    names = list(dict.fromkeys(name.partition("@")[0] for name in metrics))
    ks = list(dict.fromkeys(name.partition("@")[2] for name in metrics))
    table = Table("%")
    for k in ks:
        table.add_column(f"@{k}", justify="right")
    for name in names:
        table.add_row(name, *(f"{100 * metrics[f'{name}@{k}']:.2f}" for k in ks))
    console = Console()
    console.print(title, table, sep="\n", highlight=False)
