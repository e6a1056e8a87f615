"""Results of asv (airspeed velocity): its folder of results, in the present format, version 2.

The format: asv 0.6.6, ``asv/results.py`` (``Results.save``) and ``docs/source/dev.rst``. As in asv itself, results of
another version of a benchmark and of benchmarks that are no longer in ``benchmarks.json`` are left out.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_core.core.errors import RecordError
from bench_core.core.text import counted
from bench_core.storage.importing.imported import Imported, named, read_json
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME, Origin, SeriesId, Value

VERSION = 2
CONFIDENCE = 0.99
BENCHMARKS, MACHINE = "benchmarks.json", "machine.json"
_UNITS = {"seconds": (TIME, SECONDS), "bytes": (MEMORY, BYTES)}
_MACHINE = {"machine": "", "arch": "", "cpu": "", "num_cpu": "CPUs", "ram": "RAM"}
_OTHER_VERSION, _REMOVED, _FAILED = "of another version of the benchmark", "not in benchmarks.json", "failed or skipped"


def read(folder: Path) -> Imported:
    """The results in asv's folder, ``results_dir`` of its configuration. ``started`` is the time of the commit.

    Raises ``RecordError`` if it is not such a folder, or nothing in it can be read. Files that cannot be read are named
    in the notes.
    """
    if not (folder / BENCHMARKS).is_file():
        raise RecordError(f"{folder}: has no {BENCHMARKS}; name the folder of asv's results (results_dir)")
    benchmarks = {key: value for key, value in read_json(folder / BENCHMARKS).items() if isinstance(value, dict)}
    values, notes, left = [], [], Counter[str]()
    files = list(_files(folder))
    for file in files:
        try:
            values += _values(file, benchmarks, left)
        except RecordError as error:
            notes.append(str(error))
    if not values:
        raise RecordError(notes[0] if notes else f"{folder}: has no results; run `asv run` first")
    notes += [f"left out: {counted(count, 'result', 'results')} {reason}" for reason, count in left.items()]
    return Imported(tuple(values), len(files), tuple(notes))


def _files(folder: Path) -> Iterator[Path]:
    """The files of results, which are beside a file that describes their machine."""
    for machine in sorted(folder.rglob(MACHINE)):
        yield from (path for path in sorted(machine.parent.glob("*.json")) if path.name not in (BENCHMARKS, MACHINE))


def _values(path: Path, benchmarks: Mapping[str, Mapping[str, Any]], left: Counter[str]) -> list[Value]:
    data = read_json(path)
    if data.get("version") != VERSION:
        raise RecordError(f"{path}: is of version {data.get('version')} of asv's format; run `asv update` first")
    try:
        origin = _origin(data, path)
        like = _series(data)
        columns, results = tuple(data["result_columns"]), dict(data["results"])
        found: list[Value] = []
        for name, row in results.items():
            result = dict(zip(columns, row, strict=False))
            if name not in benchmarks:
                left[_REMOVED] += 1
            elif result.get("version") not in (None, benchmarks[name].get("version")):
                left[_OTHER_VERSION] += 1
            else:
                found += _results(name, result, benchmarks[name], like, origin, left)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise RecordError(f"{path}: is not a file of asv's results ({type(error).__name__}: {error})") from None
    return found


def _origin(data: Mapping[str, Any], path: Path) -> Origin:
    """The commit, by its own time, which is in milliseconds."""
    time = datetime.fromtimestamp(data["date"] / 1000, UTC).isoformat()
    return Origin(time, str(data["commit_hash"]), False, f"asv-{path.parent.name}-{path.stem}")


def _series(data: Mapping[str, Any]) -> SeriesId:
    """What all results of a file have in common. asv never mixes those that differ in any of it either."""
    params = data["params"]
    software = [("", params.get("os")), ("python", data.get("python")), *data.get("requirements", {}).items()]
    return SeriesId(
        case="",
        device=str(params.get("cpu") or ""),
        machine=named((name, params.get(key)) for key, name in _MACHINE.items()),
        software=named([*software, *data.get("env_vars", {}).items()]),
    )


def _results(
    name: str,
    result: Mapping[str, Any],
    benchmark: Mapping[str, Any],
    like: SeriesId,
    origin: Origin,
    left: Counter[str],
) -> Iterator[Value]:
    """The results of one benchmark, one for each combination of its parameters."""
    cases = list(_cases(name, result.get("params") or [], benchmark.get("param_names") or []))
    numbers = result.get("result") or [None] * len(cases)
    lows, highs = (result.get(f"stats_ci_99_{end}") or [None] * len(cases) for end in "ab")
    unit = str(benchmark.get("unit") or "")
    metric, unit = _UNITS.get(unit, (str(benchmark.get("type") or "value"), unit))
    for case, number, low, high in zip(cases, numbers, lows, highs, strict=False):
        if number is None or math.isnan(number):
            left[_FAILED] += 1
            continue
        series = SeriesId(case, metric, unit, like.device, None, like.machine, like.software)
        # The ends are infinite if there are too few samples.
        known = all(end is not None and math.isfinite(end) for end in (low, high))
        yield Value(series, origin, float(number), *((float(low), float(high), CONFIDENCE) if known else ()))


def _cases(name: str, params: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[str]:
    """The name of each combination; the last parameter varies fastest."""
    if not params:
        yield name
        return
    labels = [f"{label}=" for label in names] if len(names) == len(params) else [""] * len(params)
    for combination in itertools.product(*params):
        yield f"{name}({', '.join(f'{label}{value}' for label, value in zip(labels, combination, strict=True))})"
