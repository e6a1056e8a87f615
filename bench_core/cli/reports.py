"""What stored runs say: the report, and the comparison of two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench_core.core import extras
from bench_core.core.errors import BenchError, OptionError

if TYPE_CHECKING:
    from bench_core.core.records import Run


def report(
    paths: Annotated[list[Path] | None, typer.Argument(help="Stored runs or folders; default: results/.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("report"),
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="BASE HEAD", help="Two runs or machines side by side, named as for `compare`."),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="DEVICE=PRICE", help="Price of an hour, such as cuda=3.5; may be given several times."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Runs of another machine, whose GPU is the other side if no run has one; default: results/reference.",
        ),
    ] = None,
    emulated: Annotated[bool, typer.Option("--emulated", help="Report runs on an emulated GPU too (tests).")] = False,
) -> None:
    """Write index.html, plots, speedups.csv and report.md from stored runs."""
    from bench_core.report import write
    from bench_core.report.prices import parse_prices
    from bench_core.storage import files
    from bench_core.storage.naming import default_paths

    if compare is not None:
        if paths or price or reference or emulated:
            raise OptionError("report --compare: takes two runs and --out, and nothing else")
        _write_side_by_side(*compare, out)
        return
    prices = parse_prices(price or ())
    runs = files.load_all(paths or default_paths())
    with extras.needs("report", "the report"):
        page = write(runs, out, emulated=emulated, prices=prices, reference=_reference(reference, bool(paths)))
    print(f"Report written to {page}")


def _reference(folder: Path | None, named: bool) -> list[Run]:
    """The runs of a folder. Without one, those that come with the project, unless the user named the runs to report;
    what cannot be read of them is said, and the report is written without."""
    from bench_core.storage import files, naming

    if folder is not None:
        return files.load_all([folder])
    if named or not any(naming.REFERENCE.rglob("*.json")):
        return []
    try:
        return files.load_all([naming.REFERENCE])
    except BenchError as error:
        print(f"bench-core: {error}; the report is written without", file=sys.stderr)
        return []


def _write_side_by_side(base: str, head: str, out: Path) -> None:
    from bench_core.analysis.run_comparison import compare_two
    from bench_core.report import write_side_by_side
    from bench_core.report.comparing import NamedComparison
    from bench_core.storage import files, naming

    names = naming.find(base), naming.find(head)
    before, after = (files.load(name.path) for name in names)
    runs = compare_two(before, after)
    with extras.needs("report", "the report"):
        page = write_side_by_side(NamedComparison(runs, *names), out)
    print(f"Report written to {page}")


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
    from bench_core.core.percentage import parse_percentage
    from bench_core.report import comparing
    from bench_core.storage import files, naming

    if json and markdown:
        raise OptionError("--json and --markdown: give one of them")
    limit = None if fail_above is None else parse_percentage(fail_above, "--fail-above")
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
