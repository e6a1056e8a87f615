"""The words of a run's progress: durations, figures, and the line of each case."""

from __future__ import annotations

from bench_core.core import text
from bench_core.core.records import Record


def format_duration(seconds: float) -> str:
    """An expected duration: ``about 4 min``, ``about 30 s``."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    return f"about {round(seconds / 60)} min"


def line(position: str, name: str, outcome: str, left: float) -> str:
    """The line of a case that is done; ``left`` is the number of seconds that the rest will take, 0 for nothing."""
    rest = f"{format_duration(left)} left" if left else ""
    return f"{f'[{position}] {name}':<60s} {outcome:<34s} {rest}".rstrip()


def format_figure(record: Record) -> str:
    """A case's median time with the relative half-width of its confidence interval, if nothing disturbed it."""
    t = record.timing
    median = f"{text.seconds(t.median):>8s}"
    if record.contended:
        return f"{median} (disturbed by other work)"
    if t.rel_half_width is None:
        return f"{median} ({text.counted(t.count, 'sample', 'samples')}, no interval)"
    missed = "" if t.met_target else f" (aimed at ±{100 * t.rel_ci:g}%)"
    width = f"±{100 * t.rel_half_width:.1f}%" if t.rel_half_width < 1 else "±over 100%"
    return f"{median} {width}{missed}"
