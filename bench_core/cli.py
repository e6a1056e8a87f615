"""The command line: commands only. Exit codes: 0 fine, 1 a case is slower than ``compare --fail-above`` allows, 2 the
request could not be carried out."""

from __future__ import annotations

import signal
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench_core.core import extras, text
from bench_core.core.errors import BenchError, OptionError

app = typer.Typer(
    help="CPU-vs-GPU benchmarks for PyTorch. Measure with `pytest benchmarks --benchmark-autosave`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line. Bad input prints one line to standard error and exits with 2; a bug keeps its traceback."""
    if hasattr(signal, "SIGPIPE"):
        # Typer would exit with 1, which means too slow, if the reader of the output closes it early, as `| head` does.
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
    from bench_core.storage.naming import default_paths

    runs = files.load_all(paths or default_paths())
    with extras.needs("report", "the report"):
        page = write(runs, out, emulated=emulated)
    print(f"Report written to {page}")


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="The stored run to compare with.")],
    head: Annotated[str, typer.Argument(help="The stored run to judge.")],
    fail_above: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Exit with 1 if a case is slower by more than this, such as 10%."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; docs/compare.md describes it.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
) -> None:
    """Compare two stored runs case by case: ratio, interval and verdict. Descriptive, not a significance test.

    A run is a file, a folder (its newest run), `latest` (the newest run of results/) or a git commit (its newest run in
    results/). The exit code is 0 whatever the verdicts; 1 with --fail-above if the time of a case is above it by its
    entire interval; 2 if the request could not be carried out.
    """
    from bench_core.analysis.run_comparison import compare_two
    from bench_core.analysis.slowdown import parse_limit
    from bench_core.report import comparing
    from bench_core.storage import files, naming

    if json and markdown:
        raise OptionError("--json and --markdown: give one of them")
    limit = None if fail_above is None else parse_limit(fail_above)
    names = naming.find(base), naming.find(head)
    before, after = (files.load(name.path) for name in names)
    runs = compare_two(before, after, limit)
    kind = "json" if json else "markdown" if markdown else "text"
    words = comparing.FORMATS[kind](comparing.NamedComparison(runs, *names))
    if output is None:
        print(words, end="")
    else:
        comparing.write(words, output, keep=[name.path for name in names])
        print(f"Comparison written to {output}: {comparing.summary(runs)}")
    if runs.too_slow:
        sys.exit(1)


@app.command()
def recover(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Journals, or folders to search for them; default: results/.")
    ] = None,
) -> None:
    """Store what runs measured before they were killed: each journal becomes a stored run, marked partial."""
    from bench_core.storage.naming import RESULTS
    from bench_core.storage.recovery import find_journals, recover

    journals = find_journals(paths or [RESULTS])
    failed = 0
    for journal in journals:
        try:
            print(recover(journal))
        except BenchError as error:
            failed += 1
            print(f"Left: {error}", file=sys.stderr)
    if not journals:
        print("No unfinished run.")
    if failed:
        sys.exit(2)


@app.command()
def merge(
    destination: Annotated[Path, typer.Argument(help="The folder to bring the runs together in.")],
    sources: Annotated[list[Path], typer.Argument(help="Stored runs or folders of them.")],
) -> None:
    """Copy stored runs into one folder, each run once whatever its number; sources are not changed.

    Files that cannot be read are named and left. The exit code is 2 only if nothing could be read or written.
    """
    from bench_core.storage.merge import merge

    merged = merge(destination, sources)
    for reason in merged.left:
        print(f"Left: {reason}", file=sys.stderr)
    for path in merged.replaced:
        print(f"Replaced by a more complete file of the same run: {path}")
    print(f"{len(merged.written)} written to {destination}, {merged.known} known already, {len(merged.left)} left")
