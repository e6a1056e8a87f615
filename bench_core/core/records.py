"""What is stored: one record per case and one ``RunInfo`` per run. The dataclasses are the schema."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench_core.core import stats
from bench_core.core.case import Case
from bench_core.core.counts import CallCounts
from bench_core.core.errors import RecordError
from bench_core.core.machine import Machine
from bench_core.core.modes import Casts, Compilation
from bench_core.core.ranks import RankTimes
from bench_core.core.results import (
    LARGEST,
    SMALLEST,
    Contention,
    Energy,
    Flag,
    FlagCode,
    Latency,
    Measurement,
    Parity,
    Stages,
    are_positive,
    is_positive,
)
from bench_core.core.schema import NOT_STORED, Unknown, as_dataclass
from bench_core.core.studies import Row

SCHEMA = 3
"""The major version of stored data. New optional fields do not raise it; ``storage/versions.py`` has the history."""
MAX_SAMPLES = 256
CONTENDED = frozenset({FlagCode.CONTENTION, FlagCode.STOLEN_TIME, FlagCode.INTERRUPTED})
"""The flags of a case that other work disturbed."""
MAY_BE_ZERO = ("rel_half_width", "issue_time", "clock_overhead")
MAY_BE_NEGATIVE = ("cross_check",)


@dataclass(frozen=True)
class Timing:
    """The stored form of a measurement; all times in seconds per call.

    ``samples`` holds at most 256 of the ``count`` samples that were taken, evenly thinned. Every other number is
    computed from all of them.
    """

    median: float
    interval: tuple[float, float] | None
    confidence: float
    rel_ci: float
    rel_half_width: float | None
    count: int
    effective_samples: float
    samples: tuple[float, ...]
    thinned: bool
    inner_calls: int
    met_target: bool
    stop_reason: str
    decisions: tuple[str, ...]
    steady: bool
    warmup_calls: int
    cold_start: float
    issue_time: float
    device_time: float | None
    clock_overhead: float
    cross_check: float | None
    latency: Latency | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not (SMALLEST <= value <= LARGEST or _may_be(value, name)):
                raise RecordError(f"{name}: {value} is not a number above 0")
        for name, numbers in (("interval", self.interval or ()), ("samples", self.samples)):
            if not are_positive(numbers):
                wrong = next(number for number in numbers if not is_positive(number))
                raise RecordError(f"{name}: {wrong} is not a number above 0")
        if not self.confidence < 1.0:
            raise RecordError(f"confidence: {self.confidence} is not below 1")
        if self.interval and not self.interval[0] <= self.median <= self.interval[1]:
            raise RecordError(f"interval: {self.interval} does not contain the median {self.median}")
        if not self.samples:
            raise RecordError("samples: there are none")

    @classmethod
    def of(cls, m: Measurement) -> Timing:
        """The stored form of a measurement."""
        same = {f.name: getattr(m, f.name) for f in fields(cls) if f.name not in ("count", "samples", "thinned")}
        samples = stats.thin(m.samples, MAX_SAMPLES)
        return cls(**same, count=len(m.samples), samples=samples, thinned=len(samples) < len(m.samples))


def _may_be(number: float, field_name: str) -> bool:
    """Whether a field may have a number although it is not positive."""
    if field_name in MAY_BE_NEGATIVE:
        return math.isfinite(number)
    return number == 0.0 and field_name in MAY_BE_ZERO


@dataclass(frozen=True)
class Record:
    """Everything that is stored about a case.

    ``summary`` describes the work in one sentence, ``source`` says where it comes from, ``data`` describes its input.
    ``units`` and ``flops`` are per call. ``threads`` is the number of CPU threads torch used. ``stages`` holds the
    stages of a pipeline. ``casts`` says how a case of 16 bits computes; it is ``None`` for other dtypes. ``counts`` is
    what a call does. ``peak_memory`` is that of the device, ``peak_host_memory`` how much more memory this process held
    during a call than before the case was built; both in bytes. ``energy`` has an entry for each boundary, if
    it was asked for. ``ranks`` is there if several processes worked together. ``kernels`` is how many a call runs on a
    GPU, if that was asked for. A value that could not be measured is ``None``; ``unavailable`` gives the reason, by
    field. ``unknown`` keeps what a newer bench-core has written.
    """

    case: Case
    family: str
    kind: str
    unit: str
    units: int
    flops: int | None
    parameters: int | None
    summary: str
    source: str
    data: str
    device_model: str
    threads: int
    timing: Timing
    build_seconds: float
    wall_seconds: float
    peak_memory: int | None
    contention: Contention
    compilation: Compilation | None
    parity: Parity | None
    flags: tuple[Flag, ...]
    stages: Stages | None = None
    casts: Casts | None = None
    counts: CallCounts | None = None
    peak_host_memory: int | None = None
    energy: tuple[Energy, ...] = ()
    ranks: RankTimes | None = None
    kernels: int | None = None
    unavailable: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA
    unknown: Unknown = field(default_factory=dict, compare=False, metadata=NOT_STORED)

    def __post_init__(self) -> None:
        if self.units < 1:
            raise RecordError(f"units: {self.units} is not a whole number above 0")
        if self.case.batch_size < 1:
            raise RecordError(f"case.batch_size: {self.case.batch_size} is not a whole number above 0")

    @property
    def contended(self) -> bool:
        """Whether other work disturbed the measurement, so that no verdict may rest on it."""
        return any(flag.code in CONTENDED for flag in self.flags)

    @property
    def per_unit(self) -> float:
        """Seconds per unit of work."""
        return self.timing.median / self.units

    @property
    def throughput(self) -> float:
        """Units of work per second."""
        return self.units / self.timing.median


class Outcome(StrEnum):
    """Why a case or a study has no result."""

    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class NotRun:
    """A case, a study, or several of them, without a result. ``what`` is the id of the case, or the name of the study's
    item if there is only one. ``study`` names the study of which all items were left out."""

    what: str
    outcome: Outcome
    reason: str
    study: str | None = None


@dataclass(frozen=True)
class Shard:
    """A part of a sweep that is divided over equal machines: the ``index``-th of ``count``, from 1 on. ``division``
    identifies who measures what: shards that share it have no case in common and are, together, the whole sweep."""

    index: int
    count: int
    division: str

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise RecordError(f"shard: {self.index} of {self.count} is not possible")


@dataclass(frozen=True)
class RunInfo:
    """Facts about the run itself, stored with its records; times are ISO 8601, UTC.

    ``dirty`` says whether files of the commit had been changed, ``partial`` whether the run was stopped early,
    ``resumed`` whether it was stopped and continued later.
    ``studies`` holds the rows of each study by its name. ``studied`` names the items that were completed, such as
    ``ladder-cpu``. ``shard`` is the part of a divided sweep that the run is, ``joined`` names the runs of which a merge
    has made it, by shard. ``unknown`` keeps the fields that a newer bench-core of the same schema has written.
    """

    run_id: str
    started: str
    version: str
    machine: Machine
    commit: str | None
    dirty: bool | None
    options: dict[str, str]
    planned: int
    partial: bool
    not_run: tuple[NotRun, ...]
    studies: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    studied: tuple[str, ...] = ()
    resumed: bool = False
    shard: Shard | None = None
    joined: tuple[str, ...] = ()
    schema: int = SCHEMA
    unknown: Unknown = field(default_factory=dict, compare=False, metadata=NOT_STORED)

    def rows(self, kind: type[Row]) -> tuple[Row, ...]:
        """The rows of a study. Raises ``RecordError`` for a row that is not of this kind."""
        stored = self.studies.get(kind.STUDY, ())
        return tuple(as_dataclass(kind, row, f"studies.{kind.STUDY}[{i}]")[0] for i, row in enumerate(stored))


@dataclass(frozen=True)
class Run:
    """One stored run: its file, its facts, its records, and notes on what was skipped while reading it."""

    path: Path
    info: RunInfo
    records: tuple[Record, ...]
    skipped: tuple[str, ...] = ()


def oldest_first(runs: Iterable[Run]) -> list[Run]:
    """Runs in the order in which they started."""
    return sorted(runs, key=lambda run: (run.info.started, run.info.run_id))
