"""The files of stored runs: pytest-benchmark's JSON with our records in it, from disk to ``Run`` and back."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from bench_core.core.errors import NewerSchemaError, RecordError
from bench_core.core.records import SCHEMA, Record, Run, RunInfo, oldest_first
from bench_core.core.schema import as_dataclass, merge_unknown
from bench_core.core.studies import ROWS
from bench_core.storage import fast_json
from bench_core.storage.checksum import KEY as CHECKSUM
from bench_core.storage.checksum import is_damaged
from bench_core.storage.duplicates import once_each
from bench_core.storage.versions import upgraded_record, upgraded_run

T = TypeVar("T", Record, RunInfo)

KEY = "bench_core"
"""The key of a case's record in pytest-benchmark's ``extra_info``, and of the run's own facts at the top level."""


LARGEST_FILE = 2**29
"""Bytes; a run of 10,000 cases has about a tenth of it."""


class _Extra(TypedDict, total=False):
    bench_core: Any  # the KEY


class _Bench(TypedDict, total=False):
    name: Any
    extra_info: _Extra


class _Document(TypedDict, total=False):
    """The parts of a file that are ours. All else is left out, which makes reading faster."""

    bench_core: Any  # the KEY
    benchmarks: list[_Bench]


def encode(value: Record | RunInfo) -> dict[str, Any]:
    """A record or a run's facts as JSON data; checked, so that nothing is stored that could not be read back."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(value), allow_nan=False))
    merge_unknown(data, data.pop("unknown"))
    (decode_record if isinstance(value, Record) else decode_run)(data, "what is to be stored")
    return data


def decode_record(data: Any, where: str) -> Record:
    """JSON data as a record; a ``RecordError`` names the place and what is wrong there."""
    return _decode(Record, data, where, upgraded_record)


def decode_run(data: Any, where: str) -> RunInfo:
    """JSON data as a run's facts; a ``RecordError`` names the place and what is wrong there."""
    info = _decode(RunInfo, data, where, upgraded_run)
    try:
        for kind in ROWS:
            info.rows(kind)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from None
    return info


def _decode(kind: type[T], data: Any, where: str, upgrade: Callable[[dict[str, Any]], dict[str, Any]]) -> T:
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerSchemaError(
            f"{where}: written in schema {schema}, this bench-core reads up to {SCHEMA}; update bench-core"
        )
    try:
        value, unknown = as_dataclass(kind, upgrade(data) if isinstance(schema, int) else data)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from None
    value.unknown.update(unknown)
    return value


def load(path: Path) -> Run:
    """Read one stored run.

    Raises ``RecordError`` for a file that is unreadable, not JSON, not pytest-benchmark's, without bench-core's
    records, or with a broken record; ``NewerSchemaError`` if the run or all of its records are of a newer schema. Newer
    records among others are named in ``skipped``.
    """
    document = _read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise RecordError(f"{path}: is not a stored run of pytest-benchmark; store one with --benchmark-autosave")
    if KEY not in document:
        raise RecordError(f"{path}: has no bench-core run; store one with `pytest benchmarks --benchmark-autosave`")
    info = decode_run(document[KEY], str(path))
    records, newer = [], []
    for bench in document["benchmarks"]:
        extra = bench.get("extra_info") if isinstance(bench, dict) else None
        stored = extra.get(KEY) if isinstance(extra, dict) else None
        if stored is None:
            continue
        name = str(bench.get("name", "unnamed case")).replace("\n", " ")
        try:
            records.append(decode_record(stored, f"{path}: {name}"))
        except NewerSchemaError as error:
            newer.append(error)
    if newer and not records:
        raise newer[0]
    for case, count in Counter(record.case for record in records).items():
        if count > 1:
            raise RecordError(f"{path}: {case.id} is recorded {count} times; a run has every case once")
    return Run(path=path, info=info, records=tuple(records), skipped=tuple(str(e) for e in newer))


def _read_json(path: Path) -> Any:
    try:
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise RecordError(f"{path}: has {size / 2**20:,.0f} MiB, more than any stored run; name a run's .json file")
        text = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if is_damaged(text):
        raise RecordError(
            f"{path}: was changed or damaged, since it does not match its checksum; restore it from a copy, or delete "
            f"its last key ({CHECKSUM}) to read it as it is"
        )
    try:
        return fast_json.decode(text, _Document)
    except fast_json.NotDecodedError:
        return _read_by_python(text, path)


def _read_by_python(text: bytes, path: Path) -> Any:
    """What msgspec does not read: files of another form, damaged ones, and what Python alone takes for JSON.

    Python is slower, but its errors name the line.
    """
    try:
        document = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise RecordError(f"{path}: is not a text file, so not a stored run; name a run's .json file") from None
    except json.JSONDecodeError as error:
        raise RecordError(
            f"{path}: is not complete JSON (line {error.lineno}: {error.msg}); delete it or restore it from a copy"
        ) from None
    except (RecursionError, ValueError):
        raise RecordError(f"{path}: is not a stored run (nested too deep, or a number too long)") from None
    _check_numbers(document, path)
    return document


def _check_numbers(document: Any, path: Path) -> None:
    """Refuse NaN and infinity in our own data. JSON has neither, but Python reads and writes them."""
    pending = [("", document, False)]
    while pending:
        at, value, ours = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{at}.{name}", item, ours or name == KEY) for name, item in value.items()]
        elif isinstance(value, list):
            pending += [(f"{at}[{i}]", item, ours) for i, item in enumerate(value)]
        elif ours and isinstance(value, float) and not math.isfinite(value):
            raise RecordError(f"{path}: {at.removeprefix('.')}: {value} is not a finite number")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The JSON files meant by files and folders (searched in depth), sorted; ``RecordError`` where there are none."""
    files: list[Path] = []
    for path in paths:
        try:
            is_folder, exists = path.is_dir(), path.exists()
        except OSError as error:
            raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        if is_folder:
            inside = sorted(path.rglob("*.json"))
            if not inside:
                raise RecordError(f"{path}: has no stored run; store one with `pytest benchmarks --benchmark-autosave`")
            files += inside
        elif exists:
            files.append(path)
        else:
            raise RecordError(f"{path}: does not exist; name a stored run or a folder of them")
    return list(dict.fromkeys(files))


def load_all(paths: Iterable[Path]) -> list[Run]:
    """Read several runs, oldest first, each once by its id.

    A file of a folder that cannot be read is named in ``skipped`` of the newest run, as is a run of a newer schema.
    Raises ``RecordError`` for a file that is named itself and cannot be read, and if nothing can be read.
    """
    paths = list(paths)
    runs: list[Run] = []
    unread: list[RecordError] = []
    for path in find_files(paths):
        try:
            runs.append(load(path))
        except RecordError as error:
            if path in paths and not isinstance(error, NewerSchemaError):
                raise
            unread.append(error)
    if unread and not runs:
        raise unread[0]
    runs = oldest_first(once_each(runs))
    if unread:
        runs[-1] = replace(runs[-1], skipped=runs[-1].skipped + tuple(str(error) for error in unread))
    return runs
