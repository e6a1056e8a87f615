"""A sweep divided over equal machines. Each finds the same division by itself, since nothing momentary goes into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Division:
    """What each machine measures, by names, and the seconds that it is expected to take."""

    parts: tuple[tuple[str, ...], ...]
    seconds: tuple[float, ...]

    @property
    def id(self) -> str:
        """Identifies the division: equal for machines that agree on who measures what."""
        return hashlib.sha256(json.dumps(self.parts).encode()).hexdigest()[:12]


def divide(cases: Mapping[str, float], others: Mapping[str, float], count: int) -> Division:
    """Divide cases and others (studies), by their expected seconds, into ``count`` parts as long as each other.

    The longest comes first, and goes to the part that has the least so far: at most 4/3 of the best possible (Graham,
    "Bounds on Multiprocessing Timing Anomalies", SIAM J. Appl. Math. 17 (1969), theorem 2). A run without a case is not
    stored, so a part of studies alone gets one of the cheapest cases in addition; there must be a case for each part.
    Equal names and seconds give equal parts, in whatever order they come.
    """
    work = {**others, **cases}
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [0.0] * count

    def give(name: str, part: int) -> None:
        parts[part].append(name)
        loads[part] += work[name]

    def give_least_loaded(names: Iterable[str]) -> None:
        for name in sorted(names, key=lambda name: (-work[name], name)):
            give(name, min(range(count), key=loads.__getitem__))

    cheapest = sorted(cases, key=lambda name: (cases[name], name))[:count]
    give_least_loaded(work.keys() - {*cheapest})
    of_studies = [part for part in range(count) if parts[part] and cases.keys().isdisjoint(parts[part])]
    for name, part in zip(cheapest, of_studies, strict=False):
        give(name, part)
    give_least_loaded(cheapest[len(of_studies) :])
    return Division(tuple(tuple(sorted(part)) for part in parts), tuple(loads))
