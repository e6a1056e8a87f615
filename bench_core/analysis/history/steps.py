"""Steps in series: regressions, which are upward, and improvements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench_core.analysis.change_points import MIN_VALUES, ChangePoint, change_points
from bench_core.analysis.history.series import Collected, ValueSeries
from bench_core.storage.values import Origin


@dataclass(frozen=True)
class Step:
    """A step of a series. ``recovery``: with it an earlier step of the other direction is undone."""

    series: ValueSeries
    point: ChangePoint
    recovery: bool = False

    @property
    def first(self) -> Origin:
        """The first run on the new level."""
        return self.series.values[self.point.index].origin

    @property
    def previous(self) -> Origin:
        """The last run on the old level."""
        return self.series.values[self.point.index - 1].origin

    @property
    def undone(self) -> Origin | None:
        """The run from which on the level is back, if it is."""
        return None if self.point.recovers is None else self.series.values[self.point.recovers].origin

    @property
    def is_regression(self) -> bool:
        """Upward: slower, or more memory."""
        return self.point.ratio > 1.0


@dataclass(frozen=True)
class SteppedSeries:
    """A series and its steps, oldest first."""

    series: ValueSeries
    steps: tuple[Step, ...]

    @property
    def too_short(self) -> bool:
        """Too few values to have steps."""
        return len(self.series.values) < MIN_VALUES


@dataclass(frozen=True)
class Findings:
    """What stored runs say over time."""

    collected: Collected
    series: tuple[SteppedSeries, ...]

    @cached_property
    def regressions(self) -> tuple[Step, ...]:
        """The steps upward, the newest first."""
        return _newest_first([step for of in self.series for step in of.steps if step.is_regression])

    @cached_property
    def improvements(self) -> tuple[Step, ...]:
        """The steps downward, the newest first."""
        return _newest_first([step for of in self.series for step in of.steps if not step.is_regression])

    @property
    def too_short(self) -> int:
        """How many series are too short for steps."""
        return sum(of.too_short for of in self.series)


def find_steps(collected: Collected) -> Findings:
    """The steps of all series, by ``change_points`` with its defaults."""
    return Findings(collected, tuple(SteppedSeries(series, _steps(series)) for series in collected.series))


def _steps(series: ValueSeries) -> tuple[Step, ...]:
    points = change_points([value.value for value in series.values])
    back = {point.recovers for point in points}
    return tuple(Step(series, point, recovery=point.index in back) for point in points)


def _newest_first(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Of steps in the same run, the largest first."""
    by_size = sorted(steps, key=lambda step: -step.point.magnitude)
    return tuple(sorted(by_size, key=lambda step: step.first.started, reverse=True))
