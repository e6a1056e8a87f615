"""What is run in each setting: the tests, a sweep, the report of its run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SHORT_TESTS = (
    *("tests/core", "tests/storage", "tests/hardware", "tests/test_cli.py", "tests/test_plugin.py"),
    *("tests/execution/test_options.py", "tests/execution/test_skips.py", "tests/execution/test_runner.py"),
    *("tests/workloads/test_dense.py", "tests/workloads/test_series.py"),
)
SHORT_SWEEP = (
    *("--bench-workload", "gemm,mlp_train,mlp_infer,lstm_ar_train"),
    *("--bench-batch-size", "8", "--bench-dtype", "fp32,bf16", "--bench-max-time", "0.05"),
)
WHOLE_SWEEP = ("--bench-budget", "5")


@dataclass(frozen=True)
class Step:
    """A command; pytest's have a file to which they write their counts, in JUnit's format."""

    name: str
    command: tuple[str, ...]
    counts: Path | None = None


Plan = Callable[[str, Path], tuple[Step, ...]]
"""From the Python to use and a folder for the files that are written to the steps."""


def suite(python: str, out: Path, *, short: bool, jobs: str) -> tuple[Step, ...]:
    """The tests, the sweep and the report; few tests and a sweep of a minute if ``short``."""
    tests, sweep = (SHORT_TESTS, SHORT_SWEEP) if short else (("tests",), WHOLE_SWEEP)
    processes = ("-n", jobs, "--maxprocesses", "4", "--dist", "worksteal")
    stored = out / "stored"
    saved = ("--benchmark-autosave", f"--benchmark-storage=file://{stored}")
    return (
        _pytest(python, out, "tests", *tests, *processes),
        _pytest(python, out, "sweep", "benchmarks", *saved, *sweep),
        Step("report", (python, "-m", "bench_core", "report", str(stored), "--out", str(out / "report"))),
    )


def _pytest(python: str, out: Path, name: str, *arguments: str) -> Step:
    counts = out / f"{name}.xml"
    return Step(name, (python, "-m", "pytest", *arguments, "-rfEs", f"--junitxml={counts}"), counts)
