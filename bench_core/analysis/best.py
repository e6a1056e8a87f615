"""The best of each group, such as the fastest case of each workload."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def best_of_each(items: Iterable[Item], key: Callable[[Item], Key], rank: Callable[[Item], Any]) -> dict[Key, Item]:
    """By key, the item of lowest rank, and of equal ones the first; in the order in which the keys first occur."""
    best: dict[Key, Item] = {}
    for item in items:
        group = key(item)
        if group not in best or rank(item) < rank(best[group]):
            best[group] = item
    return best
