"""The command line: commands only. Exit codes: 0 fine, 1 something is SLOWER, 2 the request could not be carried out,
3 UNCLEAR or MISSING but nothing SLOWER."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench_core.core import extras, text
from bench_core.core.errors import BenchError, RecordError

if TYPE_CHECKING:
    from bench_core.analysis.comparison import Comparison

app = typer.Typer(
    help="CPU-vs-GPU benchmarks for PyTorch. Measure with `pytest benchmarks --benchmark-autosave`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
RESULTS = Path("results")


def main() -> None:
    """Run the command line. Bad input prints one line to standard error and exits with 2; a bug keeps its traceback."""
    if hasattr(signal, "SIGPIPE"):
        # Typer would exit with 1, which means SLOWER, if the reader of the output closes it early, as `| head` does.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    text.make_writable(sys.stdout)
    text.make_writable(sys.stderr)
    try:
        app()
    except BenchError as error:
        message = " ".join(str(error).split())
        print(f"bench-core: {message}", file=sys.stderr)
        sys.exit(2)


@app.command("list")
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


@app.command()
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


@app.command()
def report(
    paths: Annotated[list[Path] | None, typer.Argument(help="Stored runs or folders; default: results/.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("report"),
    emulated: Annotated[bool, typer.Option("--emulated", help="Report runs on an emulated GPU too (tests).")] = False,
) -> None:
    """Write index.html, plots, speedups.csv and report.md from stored runs."""
    from bench_core.report import write
    from bench_core.storage import files

    runs = files.load_all(paths or default_paths())
    with extras.needs("report", "the report"):
        page = write(runs, out, emulated=emulated)
    print(f"Report written to {page}")


def default_paths(results: Path = RESULTS) -> list[Path]:
    """The user's own runs if there are any, else the reference runs that come with the project."""
    if not results.is_dir():
        raise RecordError(f"{results}: no such folder here; run from the checkout, or name stored runs")
    own = [p for p in sorted(results.iterdir()) if p.is_dir() and p.name != "reference" and any(p.rglob("*.json"))]
    return own or [results]


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(help="The stored run to compare with.")],
    head: Annotated[Path, typer.Argument(help="The stored run to judge.")],
) -> None:
    """Compare two stored runs case by case: ratio, interval and verdict. Descriptive, not a significance test."""
    from bench_core.analysis.comparison import DESCRIPTIVE, compare_runs
    from bench_core.storage import files

    before, after = files.load(base), files.load(head)
    rows = compare_runs(before, after)
    if not rows:
        raise RecordError(f"{base} and {head}: neither has a record to compare")
    print("Ratio: time in base / time in head; above 1 head is FASTER. [95% CI]\n")
    for row in sorted(rows, key=lambda row: (ORDER.index(row.verdict), row.ratio or 0.0)):
        print(_row(row))
    notes = dict.fromkeys(note for row in rows for note in row.notes)
    for note in notes:
        print(f"\nNote: {note}")
    for run in (before, after):
        for note in run.skipped:
            print(f"\nSkipped: {note}")
        for entry in run.info.not_run:
            print(f"\nWithout a figure in {run.path.name}: {entry.what}, {entry.outcome}: {entry.reason}")
    counts: Counter[str] = Counter(row.verdict for row in rows)
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
        interval = f" [{row.interval[0]:.3f}, {row.interval[1]:.3f}]" if row.interval else " [no CI]"
        figure += f"   ratio {row.ratio:.3f}{interval}"
    return f"{row.verdict:<8s} {row.case.id}\n         {figure}"
