"""A sweep divided over equal machines. Each finds the same division by itself, since nothing momentary goes into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    "Bounds on Multiprocessing Timing Anomalies", SIAM J. Appl. Math. 17 (1969), theorem 2). Equal names and seconds
    give equal parts, in whatever order they come. Each part has a case, if there are enough, as a run without one is
    not stored; the cheapest ones are dealt first for this.
    """
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [0.0] * count
    work = {**others, **cases}
    dealt = sorted(cases, key=lambda name: (cases[name], name))[:count]
    longest_first = sorted(work.keys() - {*dealt}, key=lambda name: (-work[name], name))
    for position, name in enumerate([*dealt, *longest_first]):
        part = position if position < len(dealt) else min(range(count), key=loads.__getitem__)
        parts[part].append(name)
        loads[part] += work[name]
    return Division(tuple(tuple(sorted(part)) for part in parts), tuple(loads))
