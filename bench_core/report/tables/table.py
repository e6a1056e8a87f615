"""A table as both templates print it: columns, aligned left or right, and rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench_core.analysis.comparison import Verdict
from bench_core.core.text import NONE

T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """A cell that links to a section of the same page."""

    text: str
    anchor: str


Cell = str | Link | Verdict


@dataclass(frozen=True)
class Column(Generic[T]):
    """A heading and how to make its cell from an item; ``numeric`` cells are aligned right.

    If a column marked ``once`` has the same text in all rows, the text is in the caption instead of the column. ``key``
    is the number by which rows are sorted; rows can be filtered by a column marked ``filter``.
    """

    name: str
    cell: Callable[[T], Cell]
    numeric: bool = False
    once: bool = False
    key: Callable[[T], float | None] | None = None
    filter: bool = False


@dataclass(frozen=True)
class Table:
    """Text, ready to print. ``keys`` are the numbers by which each row is sorted, ``None`` where it is by the text, and
    ``filters`` says for each column whether rows can be filtered by it; both are empty for a table that stays as it
    is."""

    caption: str
    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    keys: tuple[tuple[float | None, ...], ...] = ()
    filters: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Folded:
    """A list that is shown as one line until it is opened."""

    summary: str
    items: tuple[str, ...]


def table(caption: str, columns: Iterable[Column[T]], items: Iterable[T], notes: Iterable[str] = ()) -> Table | None:
    """A table with one row per item, without the columns that are empty in all rows; ``None`` without items."""
    columns, items = tuple(columns), tuple(items)
    if not items:
        return None
    cells = [[column.cell(item) for item in items] for column in columns]
    filled = {i for i, column in enumerate(cells) if any(cell not in ("", NONE) for cell in column)}
    once = [i for i in filled if columns[i].once and len(set(cells[i])) == 1]
    shown = sorted(filled.difference(once))
    shared = ", ".join(f"{_within(columns[i].name)} {cells[i][0]}" for i in sorted(once))
    filters = tuple(columns[i].filter for i in shown)
    keys = tuple(tuple(_key(columns[i], item) for i in shown) for item in items) if any(filters) else ()
    return Table(
        caption=f"{caption}: {shared}" if shared else caption,
        headings=tuple(columns[i].name for i in shown),
        numeric=tuple(columns[i].numeric for i in shown),
        rows=tuple(zip(*(cells[i] for i in shown), strict=True)),
        notes=tuple(dict.fromkeys(notes)),
        keys=keys,
        filters=filters if any(filters) else (),
    )


def _within(name: str) -> str:
    """A heading within a sentence: an abbreviation at its beginning keeps its capitals."""
    return name if name[:2].isupper() else name.lower()


def _key(column: Column[T], item: T) -> float | None:
    return column.key(item) if column.key else None
