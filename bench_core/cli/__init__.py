"""The command line: commands only.

Exit codes: 0 fine; 1 a case is SLOWER (``gate``), slower than ``compare --fail-above`` allows, or failed (``ranks``); 2
the request could not be carried out; 3 nothing is SLOWER, but a case is UNCLEAR or MISSING (``gate``).

May import ``report``, ``execution``, ``analysis``, ``workloads``, ``storage``, ``hardware`` and ``core``.
"""

from __future__ import annotations

import signal
import sys

import typer

from bench_core.cli.gate import gate
from bench_core.cli.here import doctor, list_workloads
from bench_core.cli.history import history
from bench_core.cli.ranks import ranks
from bench_core.cli.reports import compare, report
from bench_core.cli.runs import merge, recover
from bench_core.core import text
from bench_core.core.errors import BenchError

app = typer.Typer(
    help="CPU-vs-GPU benchmarks for PyTorch. Measure with `pytest benchmarks --benchmark-autosave`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("list")(list_workloads)
app.command()(doctor)
app.command()(report)
app.command()(compare)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(gate)
app.add_typer(history, name="history")
app.command()(recover)
app.command()(merge)
app.command()(ranks)


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
