"""A table as both templates print it: columns with their side, rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench_core.core.text import NONE

T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """A cell that leads to a section of the same page."""

    text: str
    anchor: str


Cell = str | Link


@dataclass(frozen=True)
class Column(Generic[T]):
    """A heading and how to make its cell from an item; ``numeric`` cells stand on the right.

    Where a column marked ``once`` has the same text in all rows, the caption says it and the column is left out.
    """

    name: str
    cell: Callable[[T], Cell]
    numeric: bool = False
    once: bool = False


@dataclass(frozen=True)
class Table:
    """Text, ready to print."""

    caption: str
    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def table(caption: str, columns: Iterable[Column[T]], items: Iterable[T], notes: Iterable[str] = ()) -> Table | None:
    """A table with a row for each item, without the columns that say nothing; ``None`` without items."""
    columns, items = tuple(columns), tuple(items)
    if not items:
        return None
    cells = [[column.cell(item) for item in items] for column in columns]
    said = {i for i, column in enumerate(cells) if any(cell not in ("", NONE) for cell in column)}
    once = [i for i in said if columns[i].once and len(set(cells[i])) == 1]
    kept = sorted(said.difference(once))
    shared = ", ".join(f"{columns[i].name.lower()} {cells[i][0]}" for i in sorted(once))
    return Table(
        caption=f"{caption}: {shared}" if shared else caption,
        headings=tuple(columns[i].name for i in kept),
        numeric=tuple(columns[i].numeric for i in kept),
        rows=tuple(zip(*(cells[i] for i in kept), strict=True)),
        notes=tuple(dict.fromkeys(notes)),
    )
