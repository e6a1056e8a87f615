"""What there is: workloads, and this machine."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def list_workloads(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/workloads.md, with every detail.")
    ] = False,
) -> None:
    """List the workloads and the batch sizes that are measured of each."""
    from bench_core import workloads
    from bench_core.workloads.kit import catalog

    if markdown:
        print(catalog.markdown(map(workloads.get, workloads.names())))
        return
    for name in workloads.names():
        w = workloads.get(name)
        print(f"{w.name}  ({w.kind}, counts {w.unit})")
        print(_wrapped("", w.summary))
        for kind in ("cpu", "cuda"):
            further = w.full_batches.get(kind, ())
            batches = [*map(str, w.batch_sizes(kind)), *(f"{batch} (full sweep)" for batch in further)]
            print(_wrapped(f"{kind} batches", ", ".join(batches) or "none"))
        if w.settings:
            print(_wrapped("settings", ", ".join(w.settings)))


def _wrapped(label: str, words: str) -> str:
    first, rest = (f"    {label:<13s} ", " " * 18) if label else (" " * 4, " " * 4)
    return textwrap.fill(words, 80, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def doctor() -> None:
    """Is this machine fit to measure on? Devices, cores, versions, load, counters, and how to fix what is short."""
    from bench_core.hardware.doctor import examine

    checks = examine()
    table = Table.grid(padding=(0, 2))
    for check in checks:
        style = "yellow" if check.fix else ""
        table.add_row(check.what, check.value, style=style)
        if check.fix:
            table.add_row("", f"-> {check.fix}", style=style)
    Console().print(table)
    short = sum(bool(check.fix) for check in checks)
    verb = "has" if short == 1 else "have"
    print(f"\n{short} of {len(checks)} checks {verb} a suggested fix." if short else "\nNothing to fix.")
