"""Formats numbers for readers: three significant digits, SI prefixes, and a dash for a missing value."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable
from io import TextIOWrapper
from typing import TextIO

from bench_core.core.stats import Interval

NONE = "–"
TIME_PREFIXES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"), (1e-15, "fs"))
ENERGY_PREFIXES = ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))
COUNT_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
ASCII = {"µ": "u", "±": "+/-", "×": "x", "–": "-", "·": "|", "…": "...", "°": "deg "}
"""What stands for the characters beyond ASCII where they cannot be written."""


def significant(value: float, digits: int = 3) -> str:
    """A number with this many significant digits and no exponent: 0.0123, 1.20, 12.0, 1230."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, places)}f}"


def brief(value: float) -> str:
    """A number with three significant digits but no zeros at its end, for axis ticks: 0.0123, 1.2, 12."""
    return f"{float(significant(value)):g}"


def _scaled(value: float, prefixes: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    rounded = float(f"{value:.2e}")
    return next(((scale, name) for scale, name in prefixes if rounded >= scale), prefixes[-1])


def seconds(value: float | None, number: Callable[[float], str] = significant) -> str:
    """A time in seconds, such as ``12.3 µs``; ``number`` formats the number."""
    if value is None:
        return NONE
    scale, unit = _scaled(value, TIME_PREFIXES)
    return f"{number(value / scale)} {unit}"


def seconds_interval(interval: Interval | None) -> str:
    """An interval of times in the unit of its lower end, such as ``12.1 to 12.6 µs``."""
    if interval is None:
        return NONE
    scale, unit = _scaled(interval[0], TIME_PREFIXES)
    return f"{significant(interval[0] / scale)} to {significant(interval[1] / scale)} {unit}"


def count(value: float | None, number: Callable[[float], str] = significant) -> str:
    """A count, such as ``12.3k``; whole numbers below 1,000 have no decimals. ``number`` formats the others."""
    if value is None:
        return NONE
    if value < 1000 and value == int(value):
        return str(int(value))
    scale, prefix = _scaled(value, COUNT_PREFIXES)
    return f"{number(value / scale)}{prefix}"


def whole(value: float | None) -> str:
    """A whole number with commas, such as ``16,384``."""
    return NONE if value is None else f"{round(value):,}"


def ratio(value: float | None, number: Callable[[float], str] = significant) -> str:
    """A ratio, such as ``12.3×``; ``number`` formats the number."""
    return NONE if value is None else f"{number(value)}×"


def ratio_interval(interval: Interval | None) -> str:
    """An interval of ratios, such as ``12.1 to 12.5``."""
    return NONE if interval is None else f"{significant(interval[0])} to {significant(interval[1])}"


def change(value: float) -> str:
    """A ratio as a change with its sign, such as ``+5.2%``."""
    if not math.isfinite(value) or value == 0.0:
        return "?"
    percent = 100.0 * (value - 1.0)
    return f"{percent:+.1f}%" if abs(percent) < 99.95 else f"{percent:+.0f}%"


def open_interval(interval: tuple[float | None, float | None]) -> str:
    """An interval whose ends may be open, such as ``3.80 to 4.71`` or ``up to 4.71``."""
    low, high = (None if end is None else significant(end) for end in interval)
    if low and high:
        return f"{low} to {high}"
    if low or high:
        return f"from {low}, open above" if low else f"up to {high}, open below"
    return "open on both sides"


def percent(value: float | None) -> str:
    """A share in percent with two significant digits, such as ``±1.2%`` for a half-width of 0.012."""
    return NONE if value is None else f"±{significant(100 * value, 2)}%"


def small(value: float | None) -> str:
    """A small share in scientific notation, such as ``3.1e-07``; 0 is ``0``."""
    if value is None:
        return NONE
    return f"{value:.1e}" if value else "0"


def fitted(label: str, most: int) -> str:
    """A label of at most this many characters; if it is longer, its middle is left out."""
    if len(label) <= most:
        return label
    tail = (most - 1) // 2
    return f"{label[: most - 1 - tail]}…{label[-tail:]}"


def share(value: float) -> str:
    """A share of 0 to 1 in percent, such as ``90.3%``; whole percentages have no decimals."""
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def memory(value: int | None) -> str:
    """Bytes in binary units, such as ``80.0 GiB``."""
    if value is None:
        return NONE
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value >= 1024**power:
            return f"{significant(value / 1024**power)} {unit}"
    return f"{value} B"


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: ``1 case``, ``2 cases``."""
    return f"{number} {one if number == 1 else many}"


def printable(words: str) -> str:
    """Words of stored data, in which nothing moves the cursor or colors the terminal."""
    return "".join(character if character.isprintable() else " " for character in words)


def joules(value: float | None) -> str:
    """An energy, such as ``12.3 mJ``."""
    if value is None:
        return NONE
    scale, prefix = _scaled(value, ENERGY_PREFIXES)
    return f"{significant(value / scale)} {prefix}"


def duration(seconds: float) -> str:
    """A duration: ``45 s``, ``4 min 58 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def make_writable(stream: TextIO | None) -> None:
    """Let a stream write in ASCII what its encoding lacks, such as ``us`` for ``µs``, instead of raising an error."""
    codecs.register_error("ascii_only", _ascii_only)
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="ascii_only")


def _ascii_only(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(character, "?") for character in error.object[error.start : error.end]), error.end
