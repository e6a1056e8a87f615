"""The options of a benchmark run: parsed into a request, or refused with one line on what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench_core import workloads
from bench_core.core.case import (
    ALL_VARIANTS,
    CACHES,
    DEVICES,
    DTYPES,
    SWEEPS,
    Effort,
    Sources,
    in_order,
    variant_parts,
)
from bench_core.core.errors import OptionError
from bench_core.core.studies import STUDIES
from bench_core.hardware import device, machine
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import Sweep

T = TypeVar("T")
D = TypeVar("D", float, None)

PREFIX = "--bench-"
"""How the options begin that pytest has."""


class InvalidValueError(OptionError):
    """An option with a value that is invalid or does not exist here. ``name`` is that of the option, as ``parse`` takes
    it; the message names the option of pytest."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{option(name)}: {problem}")
        self.name, self.problem = name, problem


@dataclass(frozen=True)
class Request:
    """What a run is to measure.

    ``given`` are the options as they were written, to be stored with the run. ``budget`` is in seconds. ``studies`` are
    those asked for by name. With ``isolate`` each case has a process of its own, which may take ``timeout`` seconds
    (``None``: any time). ``shard`` is the part of the sweep to measure, and the number of parts.
    """

    sweep: Sweep
    effort: Effort
    workloads: tuple[Workload, ...]
    sources: Sources
    given: Mapping[str, str]
    budget: float | None = None
    studies: tuple[str, ...] = ()
    isolate: bool = False
    timeout: float | None = None
    shard: tuple[int, int] | None = None


def parse(given: Mapping[str, str], root: Path) -> Request:
    """The request of these options (by name without ``--bench-``, as written); folders are relative to ``root``.

    Raises ``InvalidValueError`` for a value that is invalid or does not exist on this machine.
    """
    sweep = Sweep(
        devices=_devices(given),
        usable_cpus=machine.usable_cpus(),
        dtypes=_words("dtype", given, DTYPES) or Sweep.dtypes,
        variants=_variants(given) or Sweep.variants,
        batch_sizes=_numbers("batch_size", given) or None,
        threads=_numbers("threads", given) or None,
        ranks=_numbers("ranks", given),
        caches=_words("caches", given, CACHES) or Sweep.caches,
        kind=(_words("sweep", given, SWEEPS) or (Sweep.kind,))[0],
    )
    effort = Effort(
        rel_ci=_real("rel_ci", given, Effort.rel_ci, below=1.0),
        max_time=_real("max_time", given, Effort.max_time, below=86400.0),
        energy="energy" in given,
        kernels="kernels" in given,
    )
    isolate = "isolate" in given or "timeout" in given
    if effort.kernels and not isolate:
        raise InvalidValueError(
            "kernels", "torch's profiler may slow down later cases of a process; add --bench-isolate"
        )
    names = _words("workload", given, workloads.names()) or workloads.names()
    minutes = _real("budget", given, None, below=1e5)
    return Request(
        sweep=sweep,
        effort=effort,
        workloads=tuple(map(workloads.get, names)),
        sources=Sources(data=_folder("data", given, root), weights=_folder("weights", given, root)),
        given={option(name): value for name, value in given.items()},
        budget=minutes and 60.0 * minutes,
        studies=_words("study", given, STUDIES),
        isolate=isolate,
        timeout=_real("timeout", given, None, below=86400.0),
        shard=_shard(given),
    )


def option(name: str, prefix: str = PREFIX) -> str:
    """An option as it is written in a command line."""
    return f"{prefix}{name.replace('_', '-')}"


def _split(name: str, given: Mapping[str, str]) -> list[str]:
    if name not in given:
        return []
    words = [word.strip() for word in given[name].split(",") if word.strip()]
    if not words:
        raise InvalidValueError(name, "no value was given")
    return list(dict.fromkeys(words))


def _words(name: str, given: Mapping[str, str], there_are: Sequence[str]) -> tuple[str, ...]:
    words = _split(name, given)
    for word in words:
        if word not in there_are:
            raise InvalidValueError(name, f"no {name} {word!r}; there are: {', '.join(there_are)}")
    return tuple(words)


def _variants(given: Mapping[str, str]) -> tuple[str, ...]:
    words = _split("variant", given)
    for part in (part for word in words for part in variant_parts(word)):
        if part not in ALL_VARIANTS:
            there_are = f"{', '.join(ALL_VARIANTS)}, or several joined by '+'"
            raise InvalidValueError("variant", f"no variant {part!r}; there are: {there_are}")
    return tuple(dict.fromkeys(map(in_order, words)))


def _devices(given: Mapping[str, str]) -> tuple[str, ...]:
    names = _words("device", given, DEVICES)
    for name in names:
        if name != "cpu" and (absence := device.absence(name)):
            raise InvalidValueError("device", f"{name} was asked for, but {absence}; see `bench-core doctor`")
    return names or device.present()


def _numbers(name: str, given: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(_parse(name, word, int, "a whole number above 0", lambda n: n >= 1) for word in _split(name, given))


def _real(name: str, given: Mapping[str, str], default: D, below: float) -> float | D:
    if name not in given:
        return default
    return _parse(name, given[name], float, f"a number above 0 and below {below:g}", lambda x: 0.0 < x < below)


def _shard(given: Mapping[str, str]) -> tuple[int, int] | None:
    if "shard" not in given:
        return None
    meaning = "a part of the sweep such as 3/8, from 1/8 to 8/8"
    return _parse("shard", given["shard"], _index_and_count, meaning, lambda shard: 1 <= shard[0] <= shard[1])


def _index_and_count(word: str) -> tuple[int, int]:
    index, slash, count = word.partition("/")
    return (int(index), int(count)) if slash else (0, 0)


def _parse(name: str, word: str, convert: Callable[[str], T], meaning: str, good: Callable[[T], bool]) -> T:
    try:
        value = convert(word)
    except ValueError:
        value = None
    if value is None or not good(value):
        raise InvalidValueError(name, f"{word!r} is not {meaning}")
    return value


def _folder(name: str, given: Mapping[str, str], root: Path) -> Path | None:
    if name not in given:
        return None
    folder = (root / given[name]).resolve()
    reason = "is not a folder"
    try:
        if folder.is_dir():
            return folder
    except OSError as error:
        reason += f" that can be read ({error.strerror})"
    raise InvalidValueError(name, f"{folder} {reason}")
