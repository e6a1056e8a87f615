"""The command ``bench-core gate``."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench_core.cli.judging import TIMEOUT, judged
from bench_core.core.errors import OptionError

if TYPE_CHECKING:
    from bench_core.analysis.gate.result import GateResult
    from bench_core.execution.pairing.gating import Gating

FILE = "Write it to this file too."


def gate(
    context: typer.Context,
    base: Annotated[
        str | None, typer.Option(metavar="REVISION", help="What to compare with, such as origin/main.")
    ] = None,
    head: Annotated[str, typer.Option(metavar="REVISION", help="What to judge; `.` is the working tree.")] = ".",
    base_python: Annotated[
        str | None, typer.Option(metavar="FILE", help="The interpreter of base, of another environment.")
    ] = None,
    base_options: Annotated[str, typer.Option(metavar="OPTIONS", help="Further options of pytest for base.")] = "",
    budget: Annotated[float, typer.Option(metavar="MINUTES", help="End within this time.")] = 8.0,
    margin: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="A change beyond it is SLOWER or FASTER. Default: 1%.")
    ] = None,
    matters: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="A change below it is SAME. Default: 3%.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML with tests and limits. Default: pyproject.toml.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help=f"The result as JSON. {FILE}")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help=f"As Markdown. {FILE}")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help=f"As JUnit XML. {FILE}")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A process that is silent so long fails.")
    ] = TIMEOUT,
    seed: Annotated[int | None, typer.Option(help="Of the order of the two sides. Default: drawn.")] = None,
) -> None:
    """Is head slower than base, on this machine, now? Pairs of fresh processes measure both in turns.

    Further arguments go to pytest and choose the tests, which use `device_benchmark`; without any, those of
    [tool.bench-core.gate] in pyproject.toml. Exit code: 0 nothing is slower, 1 a case is SLOWER, 3 a case is UNCLEAR or
    MISSING but none SLOWER, 2 the request could not be carried out.
    """
    from bench_core.analysis.gate import settings as chosen
    from bench_core.analysis.gate.verdicts import Rules
    from bench_core.execution.pairing.request import Compared
    from bench_core.report.gate import files

    if not (0.0 < budget < math.inf and 0.0 < timeout < math.inf):
        raise OptionError("--budget and --timeout: must be numbers above 0")
    outputs = {"json": json, "markdown": markdown, "junit": junit}
    files.check_writable(path for path in outputs.values() if path)
    own = chosen.read(Path.cwd(), settings)
    given = {name: value for name, value in (("margin", margin), ("matters", matters)) if value is not None}
    rules = Rules(chosen.changed(own.rules.default, given, "gate"), own.rules.cases)
    gating, result = judged(
        Compared(base, head, base_python, base_options),
        context.args or own.tests,
        rules,
        budget=60.0 * budget,
        timeout=timeout,
        seed=seed,
    )
    _write(gating, result, outputs)
    sys.exit(130 if gating.interrupted else result.exit_code)


def _write(gating: Gating, result: GateResult, outputs: Mapping[str, Path | None]) -> None:
    from bench_core.report.gate import files
    from bench_core.report.gate.annotations import as_annotations
    from bench_core.report.gate.data import as_json
    from bench_core.report.gate.junit import as_junit
    from bench_core.report.gate.markdown import as_markdown
    from bench_core.report.gate.plain import as_text

    forms = {
        "json": lambda: as_json(result, gating.pairs),
        "markdown": lambda: as_markdown(result),
        "junit": lambda: as_junit(result),
    }
    for name, path in outputs.items():
        if path:
            files.write(path, forms[name]())
    print(as_text(result, max(60, min(120, shutil.get_terminal_size().columns))), end="", flush=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(as_annotations(result), end="", flush=True)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            files.append(Path(summary), as_markdown(result))
