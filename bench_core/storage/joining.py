"""The shards of a divided sweep, joined into the run that one machine would have made."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from bench_core.core.machine import INCIDENTAL
from bench_core.core.records import RunInfo, Shard
from bench_core.storage.checksum import KEY as CHECKSUM
from bench_core.storage.checksum import with_checksum
from bench_core.storage.files import KEY, encode, load

T = TypeVar("T")

NOT_COMPARED = ("--bench-shard", "--bench-resume")
"""Options in which the shards of a sweep may differ."""
_NAMESPACE = uuid.UUID("6c1f4d5e-3f0b-5a53-9a57-0a3d3f1f2b61")


def sweeps(shards: Iterable[T], info_of: Callable[[T], RunInfo]) -> tuple[list[tuple[T, ...]], list[tuple[T, ...]]]:
    """The sets of shards that make a whole sweep, in the order of their index; and the other shards of each sweep.

    Shards belong together if they have the same division, version, commit, machine and options. Of several runs of a
    shard a complete one comes before a partial one, then the newest; so a sweep that was made twice gives two sets.
    """
    whole, others = [], []
    for members in _by_sweep(shards, info_of).values():
        runs: dict[int, list[T]] = defaultdict(list)
        for member in sorted(members, key=lambda member: (not info_of(member).partial, info_of(member).started)):
            runs[_shard(info_of(member)).index].append(member)
        while len(runs) == _shard(info_of(members[0])).count:
            whole.append(tuple(runs[index].pop() for index in sorted(runs)))
            runs = {index: left for index, left in runs.items() if left}
        if runs:
            others.append(tuple(member for index in sorted(runs) for member in runs[index]))
    return whole, others


def _by_sweep(shards: Iterable[T], info_of: Callable[[T], RunInfo]) -> Mapping[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for shard in shards:
        groups[_sweep(info_of(shard))].append(shard)
    return groups


def _shard(info: RunInfo) -> Shard:
    assert info.shard is not None, "only shards are joined"
    return info.shard


def missing(infos: Sequence[RunInfo]) -> str:
    """A line about shards of one sweep that do not make a whole: which are there, and which are missing."""
    there = {_shard(info).index for info in infos}
    count = _shard(infos[0]).count
    started = min(info.started for info in infos)
    what = f"of {count} of the sweep of commit {(infos[0].commit or 'unknown')[:10]}, started {started}"
    return f"shard {_listed(there)} {what}; missing: {_listed({*range(1, count + 1)} - there)}"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _sweep(info: RunInfo) -> str:
    """What the shards of a sweep have in common, as text."""
    machine = {name: fact for name, fact in asdict(info.machine).items() if name not in INCIDENTAL}
    division = info.shard and (info.shard.count, info.shard.division)
    same = (division, info.version, info.commit, info.dirty, machine, _options(info))
    return json.dumps(same, sort_keys=True)


def _options(info: RunInfo) -> dict[str, str]:
    return {name: value for name, value in info.options.items() if name not in NOT_COMPARED}


def joined_info(infos: Sequence[RunInfo]) -> RunInfo:
    """The facts of the run that these shards make; its id follows from theirs, so joining them again gives the same."""
    first = infos[0]
    policies = dict.fromkeys(info.machine.waiting for info in infos if info.machine.waiting)
    studies: dict[str, tuple[dict[str, Any], ...]] = {}
    for info in infos:
        for name, rows in info.studies.items():
            studies[name] = (*studies.get(name, ()), *rows)
    return replace(
        first,
        run_id=str(uuid.uuid5(_NAMESPACE, " ".join(info.run_id for info in infos))),
        started=min(info.started for info in infos),
        machine=replace(first.machine, waiting="; then ".join(policies) or None),
        options=_options(first),
        planned=sum(info.planned for info in infos),
        partial=any(info.partial for info in infos),
        not_run=tuple({entry: None for info in infos for entry in info.not_run}),
        studies=studies,
        studied=tuple(item for info in infos for item in info.studied),
        resumed=any(info.resumed for info in infos),
        shard=None,
        joined=tuple(info.run_id for info in infos),
    )


def joined_document(paths: Sequence[Path]) -> bytes:
    """The file of the run that these shards make: pytest-benchmark's document of the first, with the cases of all.

    Raises ``RecordError`` for a file that cannot be read.
    """
    info = joined_info([load(path).info for path in paths])
    documents = [json.loads(path.read_bytes()) for path in paths]
    document = {name: value for name, value in documents[0].items() if name not in (KEY, CHECKSUM)}
    document["benchmarks"] = [benchmark for each in documents for benchmark in each["benchmarks"]]
    return with_checksum(json.dumps({**document, KEY: encode(info)}, indent=4))
