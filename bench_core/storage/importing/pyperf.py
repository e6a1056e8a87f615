"""Results of pyperf: its JSON files, each of which is one run of a suite of benchmarks.

The formats ``1.0`` and ``6``: pyperf 2.10.0, ``pyperf/_bench.py`` (``BenchmarkSuite``). The commit and its time are in
the metadata ``commit_id`` and ``commit_date``, where pyperformance puts them (``pyperformance/compile.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_core.core import stats
from bench_core.core.errors import RecordError
from bench_core.storage.importing.imported import Imported, named, read_json
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME, Origin, SeriesId, Value

VERSIONS = ("1.0", 6)
CONFIDENCE = 0.95
_MACHINE = {"hostname": "", "cpu_model_name": "", "cpu_count": "CPUs"}
_UNITS = {"second": (TIME, SECONDS), "byte": (MEMORY, BYTES)}


@dataclass(frozen=True)
class _Benchmark:
    """A benchmark: its metadata, the values of each process, and when the processes started."""

    facts: Mapping[str, Any]
    processes: tuple[tuple[float, ...], ...]
    dates: tuple[str, ...]


def read(files: Iterable[Path]) -> Imported:
    """The median of each benchmark in each file. ``started`` is the time of the commit if it is known, else the first
    date of the file, which has no time zone and is taken as UTC.

    Raises ``RecordError`` for a file that is not pyperf's, or has no date.
    """
    files = list(dict.fromkeys(files))
    values = [value for path in files for value in _values(path)]
    if not values:
        raise RecordError(f"{files[0]}: has no values" if files else "there is no file to import")
    return Imported(tuple(values), len(files))


def _values(path: Path) -> list[Value]:
    data = read_json(path)
    if data.get("version") not in VERSIONS:
        raise RecordError(f"{path}: is not a file of pyperf in format 1.0; run `pyperf convert` on older ones")
    try:
        shared = data.get("metadata") or {}
        benchmarks = [_benchmark(benchmark, shared) for benchmark in data["benchmarks"]]
        dates = [_time(date) for benchmark in benchmarks for date in benchmark.dates]
        if not dates:
            raise RecordError(f"{path}: has no date; keep the metadata of pyperf's runs")
        return [_value(benchmark, min(dates)) for benchmark in benchmarks if benchmark.processes]
    except RecordError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise RecordError(f"{path}: is not a file of pyperf's ({type(error).__name__}: {error})") from None


def _benchmark(data: Mapping[str, Any], shared: Mapping[str, Any]) -> _Benchmark:
    """A benchmark, whose processes have further metadata. Those that only calibrated have no values."""
    runs = data["runs"]
    facts = {**shared, **(data.get("metadata") or {})}
    own = [{**facts, **(run.get("metadata") or {})} for run in runs]
    return _Benchmark(
        facts={**own[0], **facts},
        processes=tuple(tuple(map(float, run["values"])) for run in runs if run.get("values")),
        dates=tuple(str(metadata["date"]) for metadata in own if "date" in metadata),
    )


def _value(benchmark: _Benchmark, first: datetime) -> Value:
    """The median of a benchmark. The run is known by its first date, so that a copied file counts once."""
    facts = benchmark.facts
    values = [value for process in benchmark.processes for value in process]
    commit, time = facts.get("commit_id"), facts.get("commit_date")
    started = _time(str(time)) if commit and time else first
    run = "-".join(("pyperf", str(facts.get("hostname", "")), first.isoformat()))
    return Value(
        _series(facts),
        Origin(started.isoformat(), str(commit) if commit else None, None, run),
        stats.median(values),
        *_interval(values, len(benchmark.processes)),
    )


def _interval(values: list[float], processes: int) -> tuple[float | None, float | None, float | None]:
    """The interval of the median. Values of one process resemble each other, so that they count as one."""
    interval = None
    if all(map(math.isfinite, values)):
        interval = stats.median_interval(values, CONFIDENCE, effective=processes)
    return (*interval, CONFIDENCE) if interval else (None, None, None)


def _series(facts: Mapping[str, Any]) -> SeriesId:
    unit = str(facts.get("unit", "second"))
    metric, unit = _UNITS.get(unit, ("value", unit))
    python = f"{facts.get('python_implementation', 'python')} {facts.get('python_version', '')}".strip()
    return SeriesId(
        case=str(facts["name"]),
        metric=metric,
        unit=unit,
        device=str(facts.get("cpu_model_name", "")),
        machine=named((name, facts.get(key)) for key, name in _MACHINE.items()),
        software=named([("", python), ("", facts.get("platform"))]),
    )


def _time(words: str) -> datetime:
    """A date of pyperf's, which has no time zone."""
    time = datetime.fromisoformat(words)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
