"""Values of series as CSV: ``history.csv``, data of other tools, and what ``bench-core history import`` writes.

docs/history.md describes the columns.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from bench_core.core.errors import RecordError
from bench_core.storage.values import TIME, UNITS, Origin, SeriesId, Value

T = TypeVar("T")

SUFFIX = ".csv"
SERIES = ("case", "metric", "unit", "device", "threads", "machine", "software")
ORIGIN = ("started", "commit", "dirty", "run")
COLUMNS = (*SERIES, *ORIGIN, "value", "low", "high", "confidence")
REQUIRED = ("case", "started", "value")
_DIRTY = {"": None, "true": True, "false": False}


def write(path: Path, values: Iterable[Value]) -> None:
    """Write values to a file. Line breaks in names become spaces. Raises ``OSError`` if it cannot be written."""
    write_table(path, COLUMNS, (cells(value) for value in values))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV; ``None`` is an empty cell. Numbers keep all digits."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)


def cells(value: Value) -> tuple[object, ...]:
    """The cells of a value, in the order of ``COLUMNS``."""
    return (*series_cells(value.series), *origin_cells(value.origin), value.value, value.low, value.high,
            value.confidence)  # fmt: skip


def series_cells(series: SeriesId) -> tuple[object, ...]:
    """The cells of the columns ``SERIES``."""
    return (series.case, series.metric, series.unit, series.device, series.threads, series.machine, series.software)


def origin_cells(origin: Origin) -> tuple[object, ...]:
    """The cells of the columns ``ORIGIN``."""
    return (origin.started, origin.commit, origin.dirty, origin.run)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.replace("\r", " ").replace("\n", " ") if isinstance(value, str) else repr(value)


def read(path: Path) -> list[Value]:
    """The values of a CSV file with a line of column names; ``REQUIRED`` columns must be there, others may be.

    Cells of other columns are not read. Raises ``RecordError``, which names the line, for a file that cannot be read
    and for cells that are not what their column has. Values may be NaN or below 0.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_values(csv.reader(file, strict=True), path))
    except UnicodeDecodeError:
        raise RecordError(f"{path}: is not text in UTF-8; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise RecordError(f"{path}: is not CSV ({error})") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _values(lines: Iterator[list[str]], path: Path) -> Iterator[Value]:
    names = [name.strip() for name in next(lines, [])]
    if missing := [name for name in REQUIRED if name not in names]:
        raise RecordError(f"{path}: has no column {', '.join(missing)}; its first line must name the columns")
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise RecordError(f"{path}: has the column {twice[0]} twice")
    places = {name: names.index(name) for name in COLUMNS if name in names}
    series, origin = lru_cache(maxsize=65_536)(_series), lru_cache(maxsize=65_536)(_origin)
    for line in lines:
        if not line:
            continue
        where = f"{path}: line {getattr(lines, 'line_num', '?')}"
        if len(line) != len(names):
            raise RecordError(f"{where}: has {len(line)} cells, the first line has {len(names)}")
        row = {name: line[place].strip() for name, place in places.items()}
        try:
            yield _value(row, series, origin)
        except ValueError as error:
            raise RecordError(f"{where}: {error}") from None


def _value(
    row: Mapping[str, str], series: Callable[[tuple[str, ...]], SeriesId], origin: Callable[[tuple[str, ...]], Origin]
) -> Value:
    return Value(
        series(tuple(row.get(name, "") for name in SERIES)),
        origin(tuple(row.get(name, "") for name in ORIGIN)),
        _number(row["value"], "value", empty=float("nan")),
        *(_number(row.get(name, ""), name, empty=None) for name in ("low", "high", "confidence")),
    )


def _series(texts: tuple[str, ...]) -> SeriesId:
    case, metric, unit, device, threads, machine, software = texts
    if not case:
        raise ValueError("case is empty")
    metric = metric or TIME
    return SeriesId(case, metric, unit or UNITS.get(metric, ""), device, _threads(threads), machine, software)


def _origin(texts: tuple[str, ...]) -> Origin:
    started, commit, dirty, run = texts
    if dirty.lower() not in _DIRTY:
        raise ValueError(f"dirty is {dirty!r}; it must be true, false or empty")
    return Origin(_time(started), commit or None, _DIRTY[dirty.lower()], run)


def _time(words: str) -> str:
    """A time as stored runs have it. Without a time zone it is UTC."""
    try:
        time = datetime.fromisoformat(words)
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()
    except (ValueError, OverflowError):
        raise ValueError(f"started is {words!r}; it must be a time such as 2026-01-31T12:00:00+00:00") from None


def _threads(words: str) -> int | None:
    if not words:
        return None
    if not (words.isascii() and words.isdigit() and len(words) < 10):
        raise ValueError(f"threads is {words!r}; it must be a whole number or empty")
    return int(words)


def _number(words: str, column: str, empty: T) -> float | T:
    if not words:
        return empty
    try:
        return float(words)
    except ValueError:
        raise ValueError(f"{column} is {words!r}; it must be a number") from None
