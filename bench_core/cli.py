"""The command line. Exit codes: 0 fine, 1 something is SLOWER, 2 the request could not be carried out, 3 UNCLEAR or
MISSING but nothing SLOWER."""

from __future__ import annotations

import os
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench_core import text

if TYPE_CHECKING:
    from bench_core.comparison import Comparison

app = typer.Typer(
    help="CPU-vs-GPU benchmarks for PyTorch. Measure with `pytest benchmarks --benchmark-autosave`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
RESULTS = Path("results")


def main() -> None:
    """Run the command line; bad input gives one line on standard error and exit code 2."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has gone; say no more
        sys.exit(2)
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"bench-core: {message}", file=sys.stderr)
        sys.exit(2)


@app.command("list")
def list_workloads(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As the page docs/workloads.md, with all they say.")
    ] = False,
) -> None:
    """The workloads there are, and what each sweeps."""
    from bench_core import catalogue, workloads

    if markdown:
        print(catalogue.markdown(map(workloads.get, workloads.names())))
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


@app.command()
def doctor() -> None:
    """Is this machine fit to measure on? Devices, cores, versions, load, counters, and how to mend what is short."""
    from bench_core.doctor import examine

    findings = examine()
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        style = "yellow" if finding.mend else ""
        table.add_row(finding.what, finding.value, style=style)
        if finding.mend:
            table.add_row("", f"-> {finding.mend}", style=style)
    Console().print(table)
    short = sum(bool(finding.mend) for finding in findings)
    print(f"\n{short} of {len(findings)} findings could be mended." if short else "\nNothing to mend.")


@app.command()
def report(
    paths: Annotated[list[Path] | None, typer.Argument(help="Stored runs or folders; default: results/.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("report"),
) -> None:
    """Write index.html, plots, speedups.csv and report.md from stored runs."""
    from bench_core import records
    from bench_core.report import write

    page = write(records.load_all(paths or default_paths()), out)
    print(f"The report lies at {page}")


def default_paths(results: Path = RESULTS) -> list[Path]:
    """Own runs if there are any, else the reference runs that come with the project."""
    if not results.is_dir():
        raise ValueError(f"{results}: no such folder here; run from the checkout, or name stored runs")
    own = [p for p in sorted(results.iterdir()) if p.is_dir() and p.name != "reference" and any(p.rglob("*.json"))]
    return own or [results]


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(help="The stored run to compare with.")],
    head: Annotated[Path, typer.Argument(help="The stored run to judge.")],
) -> None:
    """Compare two stored runs case by case: ratio, interval and verdict. Descriptive: two runs allow no test."""
    from bench_core import records
    from bench_core.comparison import DESCRIPTIVE
    from bench_core.comparison import compare as put_all_beside

    before, after = records.load(base), records.load(head)
    found = put_all_beside(before, after)
    if not found:
        raise ValueError(f"{base} and {head}: neither holds a record to compare")
    print("Ratio: time in base / time in head; above 1 head is FASTER. [its 95% interval]\n")
    for row in sorted(found, key=lambda row: (ORDER.index(row.verdict), row.ratio or 0.0)):
        print(_row(row))
    notes = dict.fromkeys(note for row in found for note in row.notes)
    for note in notes:
        print(f"\nNote: {note}")
    for run in (before, after):
        for note in run.passed_over:
            print(f"\nPassed over: {note}")
        for entry in run.info.not_run:
            print(f"\nWithout a figure in {run.path.name}: {entry.what}, {entry.outcome}: {entry.reason}")
    counts: Counter[str] = Counter(row.verdict for row in found)
    print("\n" + ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]))
    print(textwrap.fill(DESCRIPTIVE, 80))
    sys.exit(exit_code(counts))


ORDER = ("SLOWER", "UNCLEAR", "MISSING", "FASTER", "SAME")


def exit_code(counts: Mapping[str, int]) -> int:
    """1 if anything is SLOWER, else 3 if anything is UNCLEAR or MISSING, else 0."""
    if counts.get("SLOWER"):
        return 1
    return 3 if counts.get("UNCLEAR") or counts.get("MISSING") else 0


def _row(row: Comparison) -> str:
    """Two lines: verdict and case, then the figures."""
    times = [text.seconds(side.record.timing.median) if side else "no figure" for side in (row.base, row.contender)]
    figure = f"{times[0]} -> {times[1]}"
    if row.ratio is not None:
        interval = f" [{row.interval[0]:.3f}, {row.interval[1]:.3f}]" if row.interval else " [no interval]"
        figure += f"   ratio {row.ratio:.3f}{interval}"
    return f"{row.verdict:<8s} {row.case.id}\n         {figure}"
