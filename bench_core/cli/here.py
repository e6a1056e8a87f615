"""What there is: workloads, and this machine."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

REFERENCE = Path("results") / "reference"


def list_workloads(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/workloads.md, with every detail.")
    ] = False,
) -> None:
    """List the workloads and the batch sizes that are measured of each."""
    from bench_core import workloads
    from bench_core.workloads.kit import catalog

    if markdown:
        print(catalog.markdown(map(workloads.get, workloads.names()), _reference_seconds()))
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


def _reference_seconds() -> Mapping[tuple[str, str], float]:
    """How long each workload took on each device, in the newest reference run that has it; nothing outside of a
    checkout."""
    from bench_core.storage import files

    seconds: dict[tuple[str, str], float] = {}
    for run in files.load_all([REFERENCE]) if REFERENCE.is_dir() else ():
        of_run: defaultdict[tuple[str, str], float] = defaultdict(float)
        for record in run.records:
            of_run[record.case.workload, record.case.device_type] += record.wall_seconds
        seconds |= of_run
    return seconds


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
