"""The commands ``bench-core history`` and ``bench-core history import``."""

from __future__ import annotations

import contextlib
import shutil
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bench_core.core import extras, text
from bench_core.core.errors import OptionError, RecordError, ReportError

if TYPE_CHECKING:
    from bench_core.storage.values import Value

DEFAULT = "show"


class WithDefault(TyperGroup):
    """A group of commands of which ``DEFAULT`` is meant where the first argument names none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command first unless another one, or help, is asked for."""
        asks = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if asks else [DEFAULT, *args])


history = typer.Typer(
    cls=WithDefault,
    help="Stored runs over time, and their steps: since when is which case slower? "
    "`bench-core history [PATH...]` is short for `bench-core history show [PATH...]`.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    subcommand_metavar="[show] [PATH]... | import ...",
)


@history.command(DEFAULT)
def show(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Stored runs, folders, or CSV files of values; default: results/."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("history"),
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Measure the commits around the newest regression, with a gate.")
    ] = False,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Confirm, and search the commits between for the cause.")
    ] = False,
    case: Annotated[
        str | None, typer.Option(metavar="NAME", help="Confirm the newest regression of this case.")
    ] = None,
    tests: Annotated[
        str | None,
        typer.Option(metavar="ARGUMENTS", help="Of pytest, to collect it. Default: those of [tool.bench-core.gate]."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="For all gates. Default: 8; with --bisect: 30.")
    ] = None,
) -> None:
    """Find the steps of stored runs over time; write index.html, history.csv and steps.csv.

    There is a series for each case and metric on each machine with each software. Regressions are steps upward. The
    exit code is 0 whatever is found, 2 if the request could not be carried out. With --confirm or --bisect it is that
    of the gate: 1 SLOWER, 0 SAME or FASTER, 3 UNCLEAR or MISSING.
    """
    from bench_core.analysis.history.series import collect
    from bench_core.analysis.history.steps import find_steps
    from bench_core.cli import confirming
    from bench_core.report.history import as_text, write
    from bench_core.storage import history_files
    from bench_core.storage.naming import default_paths

    asked = confirming.Asked(case, tests, budget, bisect) if confirm or bisect else None
    if asked is None and (case, tests, budget) != (None, None, None):
        raise OptionError("--case, --tests, --budget: belong to --confirm and --bisect; give one of these")
    paths = paths or default_paths()
    collected = collect(*history_files.read(paths))
    if not collected.series:
        reason = (
            collected.notes[0] if collected.notes else f"{text.counted(collected.runs, 'run has', 'runs have')} none"
        )
        raise RecordError(f"{paths[0]}: there is no value to show ({reason}); name runs measured on an idle machine")
    findings = find_steps(collected)
    with extras.needs("report", "the page of the history"):
        page = write(findings, out)
    print(as_text(findings, max(60, min(100, shutil.get_terminal_size().columns))))
    print(f"Page written to {page}", flush=True)
    if asked:
        print(flush=True)
        sys.exit(confirming.confirm(findings, asked))


@history.command("import")
def import_results(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Further files of pyperf, after --pyperf.")
    ] = None,
    asv: Annotated[Path | None, typer.Option(metavar="DIR", help="asv's folder of results (results_dir).")] = None,
    pyperf: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="JSON files of pyperf.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="The file to write; default: asv.csv or pyperf.csv.")
    ] = None,
) -> None:
    """Write results of asv or pyperf as a CSV file that `bench-core history FILE.csv` reads.

    The exit code is 0, or 2 if the request could not be carried out.
    """
    from bench_core.storage import values_csv
    from bench_core.storage.importing import asv as from_asv
    from bench_core.storage.importing import pyperf as from_pyperf

    given = [*(pyperf or []), *(files or [])]
    if bool(asv) == bool(pyperf) or (files and not pyperf):
        raise OptionError("history import: give either --asv DIR or --pyperf FILE...")
    out = out or Path("asv.csv" if asv else "pyperf.csv")
    if out.suffix.lower() != values_csv.SUFFIX:
        raise OptionError(f"--out {out}: must end in {values_csv.SUFFIX}, so that `bench-core history` reads it as CSV")
    imported = from_asv.read(asv) if asv else from_pyperf.read(given)
    _write(imported.values, out)
    for note in imported.notes:
        print(text.printable(note))
    values = text.counted(len(imported.values), "value", "values")
    print(f"{values} of {text.counted(imported.files, 'file', 'files')} written to {out}")
    print(f"Next: bench-core history {out}")


def _write(values: Iterable[Value], out: Path) -> None:
    """Write a CSV file; an older one is replaced when the new one is complete."""
    from bench_core.storage import values_csv

    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        values_csv.write(part, values)
        part.replace(out)
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror}); name another with --out") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
