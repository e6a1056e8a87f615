"""The options of the sweep, and the session that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from bench_core.core.case import ALL_VARIANTS, CACHES, DTYPES, SWEEPS, VARIANTS, Effort
from bench_core.core.errors import BenchError
from bench_core.core.studies import STUDIES

if TYPE_CHECKING:
    from bench_core.execution.session import BenchSession

OPTIONS = (
    ("device", "cpu,cuda", "Devices to measure on. Default: all that are present."),
    ("batch-size", "1,64", "Batch sizes. Default: each workload's own."),
    ("dtype", "fp32,bf16", f"Number formats: {', '.join(DTYPES)}. Default: {DTYPES[0]}."),
    ("variant", "eager,...", f"Variants: {', '.join(ALL_VARIANTS)}, or several joined by '+'. Default: {VARIANTS[0]}."),
    ("caches", "|".join(CACHES), "Keep inputs in the cache, or rotate over so many that none is in it. Default: hot."),
    ("workload", "NAME,...", "Workloads. Default: all; `bench-core list` shows them."),
    ("threads", "1,2", "CPU threads. Default: all usable cores, and one thread at each reference batch."),
    ("ranks", "1,2", "Measure work that is divided over so many processes, too: docs/cluster.md. Default: do not."),
    ("rel-ci", f"{Effort.rel_ci}", f"Target half-width of the median's interval, relative. Default: {Effort.rel_ci}."),
    ("max-time", "SECONDS", f"Seconds of samples per case (heavy workloads: 8 times). Default: {Effort.max_time:g}."),
    ("budget", "MINUTES", "End the sweep within this time. Default: none; every case gets the time it needs."),
    ("shard", "3/8", "Measure one of several equal parts of the sweep, each on a machine of its own: docs/cluster.md."),
    ("study", "NAME,...", f"Studies: {', '.join(STUDIES)}. Default: those of a sweep of everything."),
    (
        "data",
        "DIR",
        "Folder with real data sets: MNIST as torchvision stores it, CIFAR-10 binary. Default: digits stand-in.",
    ),
    ("weights", "DIR", "Folder with torchvision's weights, such as resnet50-*.pth. Default: random weights."),
    (
        "timeout",
        "SECONDS",
        "Like --bench-isolate, and end the process of a case after so many seconds. Default: no limit.",
    ),
    (
        "sweep",
        "|".join(SWEEPS),
        f"How much to measure; full: all settings and batches, heavy too. Default: {SWEEPS[0]}.",
    ),
)
FLAGS = (
    ("energy", "Measure the energy of each case too, where a counter is readable. 2 s more for each."),
    ("isolate", "Measure each case of a workload in a process of its own, so that a crash fails one case."),
    ("kernels", "Count the kernels that each case runs on a GPU. Needs --bench-isolate."),
    ("resume", "Continue the newest unfinished run; what it measured is taken from its journal."),
)
"""Options without a value."""
GIVEN = pytest.StashKey[Mapping[str, str]]()
SESSION = pytest.StashKey["BenchSession"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the sweep, in a group of their own."""
    group = parser.getgroup("bench-core", "CPU-vs-GPU benchmarks (bench-core)")
    for name, metavar, text in OPTIONS:
        group.addoption(f"--bench-{name}", metavar=metavar, default=None, help=text)
    for name, text in FLAGS:
        group.addoption(f"--bench-{name}", action="store_const", const="yes", default=None, help=text)
    parser.addini("bench_storage", "Folder for stored runs, one folder per machine in it (bench-core).", default="")


def check_options(config: pytest.Config) -> None:
    """Check the options that were given, if any, which creates the session."""
    names = [name.replace("-", "_") for name, *_ in (*OPTIONS, *FLAGS)]
    given = {name: value for name in names if (value := config.getoption(f"bench_{name}", None)) is not None}
    config.stash[GIVEN] = given
    if given:
        session_of(config)


def session_of(config: pytest.Config) -> BenchSession:
    """The session's state, created when first needed, since it imports torch; bad options end the run here."""
    if SESSION not in config.stash:
        from bench_core.core import text
        from bench_core.execution.options import parse
        from bench_core.execution.session import BenchSession

        text.make_writable(sys.__stdout__)  # pytest would escape a whole line, its end too
        try:
            config.stash[SESSION] = BenchSession(parse(config.stash[GIVEN], config.invocation_params.dir))
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[SESSION]
