"""What is stored: one record a case, one key a run, their schema, and the way back from JSON.

The dataclasses are the schema: stored JSON is held to their fields and types, when written and when read.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from bench_core import stats
from bench_core.machine import Machine
from bench_core.sampling import Latency, Measurement
from bench_core.schema import RecordError, as_dataclass
from bench_core.spec import DEVICES, Case
from bench_core.stages import Stages
from bench_core.telemetry import Compilation, Contention, Parity

T = TypeVar("T")

KEY = "bench_core"
"""The key of a case's record in pytest-benchmark's ``extra_info``, and of the run's own facts at the top level."""
SCHEMA = 1
MOST_SAMPLES = 256
MAY_BE_ZERO = ("rel_half_width", "issue_time", "clock_overhead")
MAY_BE_NEGATIVE = ("cross_check",)


class NewerSchemaError(RecordError):
    """A record written by a newer bench-core than this one."""


@dataclass(frozen=True)
class Timing:
    """The stored form of a measurement; all times in seconds per call.

    ``samples`` are at most 256 of the ``count`` that were taken, evenly thinned; every figure is from all of them.
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
        for spec in fields(self):
            value = getattr(self, spec.name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, float) and not _sound(number, spec.name):
                    raise RecordError(f"{spec.name}: {number} is not a number above 0")
        if not self.confidence < 1.0:
            raise RecordError(f"confidence: {self.confidence} is not below 1")
        if self.interval and not self.interval[0] <= self.median <= self.interval[1]:
            raise RecordError(f"interval: {self.interval} does not hold the median {self.median}")
        if not self.samples:
            raise RecordError("samples: there are none")

    @classmethod
    def of(cls, m: Measurement) -> Timing:
        """The stored form of a measurement."""
        same = {f.name: getattr(m, f.name) for f in fields(cls) if f.name not in ("count", "samples", "thinned")}
        kept = stats.thin(m.samples, MOST_SAMPLES)
        return cls(**same, count=len(m.samples), samples=kept, thinned=len(kept) < len(m.samples))


def _sound(number: float, field_name: str) -> bool:
    if not math.isfinite(number):
        return False
    return number > 0.0 or field_name in MAY_BE_NEGATIVE or (number == 0.0 and field_name in MAY_BE_ZERO)


@dataclass(frozen=True)
class Record:
    """All that is stored of a case.

    ``summary`` says in a sentence what the work is, ``source`` where it is from, ``data`` what its input is. ``units``
    and ``flops`` are per call. ``threads`` is the number of CPU threads torch used. ``flags`` are warnings in words.
    ``stages`` holds the parts of a pipeline. What could not be measured is ``None``; ``unavailable`` then says why, by
    field.
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
    flags: tuple[str, ...]
    stages: Stages | None = None
    unavailable: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.units < 1:
            raise RecordError(f"units: {self.units} is not a whole number above 0")

    @property
    def per_unit(self) -> float:
        """Seconds per unit of work."""
        return self.timing.median / self.units

    @property
    def throughput(self) -> float:
        """Units of work per second."""
        return self.units / self.timing.median


@dataclass(frozen=True)
class NotRun:
    """A case, or a whole device, that has no figure: ``outcome`` is ``skipped``, ``failed`` or ``not run``."""

    what: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class LadderRung:
    """What a rung of the ladder (see ``ladder.py``) said on a device: ``seconds`` per step, over ``steps`` steps.

    ``work`` is the training, ``what`` tells what the rung mends. Only the last rung has an ``interval``: the others are
    one measurement. Raises ``RecordError`` for a device that is no real one, since that would not be a measurement.
    """

    device: str
    device_model: str
    threads: int
    work: str
    data: str
    rung: str
    what: str
    seconds: float
    interval: tuple[float, float] | None
    steps: int

    def __post_init__(self) -> None:
        _check_study(self.device, self.seconds)
        if self.interval and not 0.0 < self.interval[0] <= self.seconds <= self.interval[1] < math.inf:
            raise RecordError(f"interval: {self.interval} does not hold {self.seconds}")


@dataclass(frozen=True)
class Learned:
    """How far a workload's training came on a device (see ``learning.py``), and in how many ``seconds`` of training.

    ``target`` and ``reached`` are the share of ``tested`` different test images that the model names rightly, looked at
    after every ``every`` steps. ``units`` is the number of images trained on. A training that was given up is not
    ``met``. Raises ``RecordError`` for a device that is no real one, and for figures that contradict each other.
    """

    workload: str
    device: str
    device_model: str
    threads: int
    batch_size: int
    data: str
    tested: int
    target: float
    reached: float
    steps: int
    every: int
    units: int
    seconds: float
    met: bool
    seed: int

    def __post_init__(self) -> None:
        _check_study(self.device, self.seconds)
        for name in ("batch_size", "tested", "steps", "every", "units"):
            if getattr(self, name) < 1:
                raise RecordError(f"{name}: {getattr(self, name)} is not a whole number above 0")
        for name in ("target", "reached"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecordError(f"{name}: {getattr(self, name)} is not a share of 0 to 1")
        if self.met != (self.reached >= self.target):
            raise RecordError(f"met: is {self.met}, though {self.reached} of {self.target} was reached")


def _check_study(device: str, seconds: float) -> None:
    if device not in DEVICES:
        raise RecordError(f"device: {device!r} is no real device; there are: {', '.join(DEVICES)}")
    if not _sound(seconds, "seconds"):
        raise RecordError(f"seconds: {seconds} is not a number above 0")


@dataclass(frozen=True)
class RunInfo:
    """The run's own facts, beside its records; times are ISO 8601, UTC.

    ``dirty`` tells whether files of the commit had been changed, ``partial`` whether the run was stopped early. Studies
    have a field each, empty where one was not made.
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
    ladder: tuple[LadderRung, ...] = ()
    learning: tuple[Learned, ...] = ()
    schema: int = SCHEMA


@dataclass(frozen=True)
class Run:
    """One stored run: where it lies, its facts, its records, and what was passed over in reading it."""

    path: Path
    info: RunInfo
    records: tuple[Record, ...]
    passed_over: tuple[str, ...] = ()


def encode(value: Record | RunInfo) -> dict[str, Any]:
    """A record or a run's facts as JSON data; checked, so that nothing is stored that could not be read back."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(value), allow_nan=False))
    decode(type(value), data, "what is to be stored")
    return data


def decode(kind: type[T], data: Any, where: str) -> T:
    """JSON data as a record or a run's facts; a ``RecordError`` names the place and what is wrong there."""
    if isinstance(data, Mapping) and isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
        raise NewerSchemaError(
            f"{where}: written in schema {data['schema']}, this bench-core reads up to {SCHEMA}; update bench-core"
        )
    try:
        return as_dataclass(kind, data)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from None


def load(path: Path) -> Run:
    """Read one stored run.

    Raises ``RecordError`` for a file that is unreadable, no JSON, not pytest-benchmark's, without bench-core's records,
    or with a broken record; ``NewerSchemaError`` if the run or all of its records are of a newer schema. Newer records
    among others are named in ``passed_over``.
    """
    document = _read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise RecordError(f"{path}: is not a stored run of pytest-benchmark; store one with --benchmark-autosave")
    if KEY not in document:
        raise RecordError(f"{path}: holds no bench-core run; store one with `pytest benchmarks --benchmark-autosave`")
    info = decode(RunInfo, document[KEY], str(path))
    records, newer = [], []
    for bench in document["benchmarks"]:
        extra = bench.get("extra_info") if isinstance(bench, dict) else None
        stored = extra.get(KEY) if isinstance(extra, dict) else None
        if stored is None:
            continue
        where = f"{path}: {bench.get('name', 'unnamed case')}"
        try:
            records.append(decode(Record, stored, where))
        except NewerSchemaError as error:
            newer.append(error)
    if newer and not records:
        raise newer[0]
    for case, count in Counter(record.case for record in records).items():
        if count > 1:
            raise RecordError(f"{path}: {case.id} is recorded {count} times; a run holds every case once")
    return Run(path=path, info=info, records=tuple(records), passed_over=tuple(str(e) for e in newer))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise RecordError(f"{path}: is not a text file, so it is no stored run; name a run's .json file") from None
    except json.JSONDecodeError as error:
        raise RecordError(
            f"{path}: is not whole JSON (line {error.lineno}: {error.msg}); delete it or restore it from a copy"
        ) from None
    except (RecursionError, ValueError):
        raise RecordError(f"{path}: is no stored run (nested too deep, or a number too long)") from None


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The JSON files meant by files and folders (searched in depth), sorted; ``RecordError`` where there are none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.rglob("*.json"))
            if not inside:
                raise RecordError(
                    f"{path}: holds no stored run; store one with `pytest benchmarks --benchmark-autosave`"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise RecordError(f"{path}: does not exist; name a stored run or a folder of them")
    return list(dict.fromkeys(found))


def load_all(paths: Iterable[Path]) -> list[Run]:
    """Read several runs, oldest first; whole runs of a newer schema are passed over if there are others."""
    runs, newer = [], []
    for path in find_files(paths):
        try:
            runs.append(load(path))
        except NewerSchemaError as error:
            newer.append(error)
    if newer and not runs:
        raise newer[0]
    runs.sort(key=lambda run: (run.info.started, run.info.run_id))
    if newer:
        last = runs[-1]
        notes = last.passed_over + tuple(str(e) for e in newer)
        runs[-1] = Run(last.path, last.info, last.records, notes)
    return runs
