"""What is known of many stored runs at once: the facts of each run, and the main figures of all records as columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench_core.core.case import Case
from bench_core.core.machine import Machine

Table = NDArray[np.void]

COLUMNS = np.dtype(
    [
        ("run", np.int32),
        ("case", np.int32),
        ("series", np.int32),
        ("count", np.int32),
        ("median", np.float64),
        ("low", np.float64),
        ("high", np.float64),
        ("confidence", np.float64),
        ("effective_samples", np.float64),
        ("peak_memory", np.float64),
        ("contended", np.bool_),
    ],
    align=True,
)
"""The main figures of a record.

``run``, ``case`` and ``series`` are positions in the ``History``. ``median`` is in seconds per call. ``low`` and
``high`` are the ends of its interval, which has this ``confidence``. ``count`` and ``effective_samples`` are numbers of
samples. ``peak_memory`` is in bytes. What was not measured is NaN. ``contended`` records have a flag that other work
took CPU time.
"""


@dataclass(frozen=True)
class Series:
    """What records of one case must have in common for their times to be comparable: the device, the number of CPU
    threads, and the machine's ``hardware`` and ``software`` as ``Machine`` describes them."""

    device_model: str
    threads: int
    hardware: str
    software: str


@dataclass(frozen=True)
class RunRow:
    """The facts of a stored run; ``RunInfo`` describes them."""

    path: Path
    run_id: str
    started: str
    version: str
    machine: Machine
    commit: str | None
    dirty: bool | None
    partial: bool


@dataclass(frozen=True)
class History:
    """Stored runs, oldest first, and their records in the same order.

    ``records`` is a table of ``COLUMNS``: ``history.records["median"]`` are the medians of all records. ``notes`` name
    the files that cannot be used, and records of a newer bench-core.
    """

    runs: tuple[RunRow, ...]
    cases: tuple[Case, ...]
    series: tuple[Series, ...]
    records: Table
    notes: tuple[str, ...]
