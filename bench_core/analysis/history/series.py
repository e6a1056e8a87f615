"""Series: the values of one case and metric on one machine with one software, oldest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bench_core.storage.history import History
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME, Origin, SeriesId, Value


@dataclass(frozen=True)
class ValueSeries:
    """The values of a series, oldest first; at least one, and all of them positive and finite."""

    id: SeriesId
    values: tuple[Value, ...]


@dataclass(frozen=True)
class LeftOut:
    """How much was left out of all series: ``contended`` records, which were measured beside other work; records of
    ``emulated`` devices, whose times mean nothing; and ``unusable`` values, which are not positive and finite."""

    contended: int = 0
    emulated: int = 0
    unusable: int = 0


@dataclass(frozen=True)
class Collected:
    """All series, by their ids. ``runs`` is how many runs were read, ``span`` the start of the first and the last one,
    ``None`` without any. ``notes`` say what could not be read."""

    series: tuple[ValueSeries, ...]
    runs: int
    span: tuple[str, str] | None
    left_out: LeftOut
    notes: tuple[str, ...] = ()

    @property
    def machines(self) -> int:
        """How many machines there are series of."""
        return len({series.id.machine for series in self.series})


def collect(history: History, values: Iterable[Value] = ()) -> Collected:
    """The series of stored runs and of further values. A run has one value in a series: the first that is usable."""
    values = list(values)
    records = history.records
    emulated = np.array([run.machine.emulated for run in history.runs], dtype=bool)[records["run"]]
    contended = records["contended"] & ~emulated
    of_runs = list(_values(history, ~(emulated | contended)))
    usable = [value for value in (*of_runs, *values) if math.isfinite(value.value) and value.value > 0.0]
    left_out = LeftOut(int(contended.sum()), int(emulated.sum()), len(of_runs) + len(values) - len(usable))
    origins = {*_origins(history), *(value.origin for value in values)}
    starts = [origin.started for origin in origins]
    return Collected(
        series=_grouped(usable),
        runs=len({origin.run or (origin.started, origin.commit) for origin in origins}),
        span=(min(starts), max(starts)) if starts else None,
        left_out=left_out,
        notes=history.notes,
    )


def _origins(history: History) -> list[Origin]:
    return [Origin(run.started, run.commit, run.dirty, run.run_id) for run in history.runs]


def _values(history: History, chosen: np.typing.NDArray[np.bool_]) -> Iterator[Value]:
    """The times of the chosen records, and their peak memory where it was counted."""
    table, origins, names = history.records[chosen], _origins(history), [case.name for case in history.cases]
    ids: dict[tuple[int, int, str], SeriesId] = {}

    def series(case: int, kind: int, metric: str, unit: str) -> SeriesId:
        if (case, kind, metric) not in ids:
            of = history.series[kind]
            ids[case, kind, metric] = SeriesId(
                names[case], metric, unit, of.device_model, of.threads, of.hardware, of.software
            )
        return ids[case, kind, metric]

    columns = ("run", "case", "series", "median", "low", "high", "confidence", "peak_memory")
    for run, case, kind, median, low, high, confidence, memory in zip(
        *(table[column].tolist() for column in columns), strict=True
    ):
        ends = (None, None, None) if math.isnan(low) else (low, high, confidence)
        yield Value(series(case, kind, TIME, SECONDS), origins[run], median, *ends)
        if not math.isnan(memory):
            yield Value(series(case, kind, MEMORY, BYTES), origins[run], memory)


def _grouped(values: Iterable[Value]) -> tuple[ValueSeries, ...]:
    groups: dict[SeriesId, list[Value]] = {}
    for value in values:
        groups.setdefault(value.series, []).append(value)
    series = [ValueSeries(of, _one_per_run(group)) for of, group in groups.items()]
    return tuple(sorted(series, key=lambda s: (s.id.case, s.id.metric, s.id.machine, s.id.software, str(s.id))))


def _one_per_run(values: Iterable[Value]) -> tuple[Value, ...]:
    """In order of time. Values whose run is not known are all kept."""
    once: dict[object, Value] = {}
    for i, value in enumerate(values):
        once.setdefault(value.origin.run or i, value)
    return tuple(sorted(once.values(), key=lambda value: (value.origin.started, value.origin.run)))
