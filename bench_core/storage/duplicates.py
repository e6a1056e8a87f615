"""Several files of one run: which of them counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from bench_core.core.records import Run

T = TypeVar("T")
Rank = tuple[bool, int]
"""Orders files of one run: see ``rank``."""


def rank(partial: bool, records: int) -> Rank:
    """The rank of a file of a run: a complete one is above a partial one, then more records are above fewer."""
    return not partial, records


def once_each(runs: Iterable[Run]) -> list[Run]:
    """Each run once by its id, in the order given: the most complete of its files, the first of equal ones."""
    return most_complete(runs, lambda run: run.info.run_id, lambda run: rank(run.info.partial, len(run.records)))


def most_complete(items: Iterable[T], identity: Callable[[T], str], rank_of: Callable[[T], Rank]) -> list[T]:
    """Each item once by its identity, in the order given: the one of the highest rank, the first of equal ones."""
    best: dict[str, T] = {}
    for item in items:
        known = best.get(identity(item))
        if known is None or rank_of(item) > rank_of(known):
            best[identity(item)] = item
    return list(best.values())
