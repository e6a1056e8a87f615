"""The page of the history in its order: texts, tables, and which series get a plot. Knows no template and no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench_core.analysis.history.steps import Findings, Step, SteppedSeries
from bench_core.core import text
from bench_core.report.history import sparkline, words
from bench_core.report.tables.table import Column, Folded, Link, Table, table
from bench_core.storage.values import SeriesId

MAX_PLOTS = 100
"""So many series with steps have a plot, those with the newest regressions first; others a small line."""
EXPLAINED = (
    ("Regression, improvement", "a step upward or downward: from one level of values to another, by at least 2%. Of "
        "100 series without a step, at most about one has any reported."),
    ("Change", "the level after the step / the level before it - 1, with its 95% confidence interval."),
    ("Since, Commit", "the start and commit of the first run on the new level."),
    ("Before", "the commit of the last run on the old level. The cause is in the commits after it, or in something "
        "else that changed on the machine."),
    ("Candidate", "the step has too few values after it to be confirmed: it may be a run of outliers."),
    ("Recovered, lost again", "the level is back at, or beyond, the one before the step."),
    ("-dirty", "the files of this commit had been changed; in plots, such values are hollow."),
    ("Confidence", "one minus the share of series without a step in which one as clear as this is reported; at most "
        "99.9%."),
)  # fmt: skip


@dataclass(frozen=True)
class PlottedSeries:
    """A series with steps: its plot if it gets one, a small line of it, and its steps."""

    anchor: str
    title: str
    where: str
    stepped: SteppedSeries
    plotted: bool
    line: str
    steps: Table | None


@dataclass(frozen=True)
class FlatSeries:
    """A series without steps, as one row."""

    title: str
    difference: str
    count: int
    latest: str
    line: str


@dataclass(frozen=True)
class HistoryContent:
    """All that the page shows."""

    subtitle: str
    answer: str
    regressions: Table | None
    improvements: Table | None
    plotted: tuple[PlottedSeries, ...]
    flat: tuple[FlatSeries, ...]
    short: tuple[FlatSeries, ...]
    notes: tuple[str, ...]
    skipped: Folded | None
    terms: tuple[tuple[str, str], ...] = EXPLAINED


def content(findings: Findings) -> HistoryContent:
    """The page of these findings."""
    differences = words.differences(of.series.id for of in findings.series)
    stepped = _newest_first(findings)
    anchors = {of.series.id: f"series-{i}" for i, of in enumerate(stepped, start=1)}
    flat = [of for of in findings.series if not of.steps]
    skipped = findings.collected.notes
    return HistoryContent(
        subtitle=words.what_was_read(findings),
        answer=_answer(findings),
        regressions=_all_steps("Regressions, the newest first", findings.regressions, anchors, differences),
        improvements=_all_steps("Improvements, the newest first", findings.improvements, anchors, differences),
        plotted=tuple(_plotted(of, anchors[of.series.id], i < MAX_PLOTS) for i, of in enumerate(stepped)),
        flat=tuple(_flat(of, differences[of.series.id]) for of in flat if not of.too_short),
        short=tuple(_flat(of, differences[of.series.id]) for of in flat if of.too_short),
        notes=(*words.left_out(findings), *_without_plot(len(stepped) - MAX_PLOTS)),
        skipped=Folded(text.counted(len(skipped), "file or record", "files or records") + " skipped", skipped)
        if skipped
        else None,
    )


def _answer(findings: Findings) -> str:
    if not findings.regressions:
        return "No series has a regression."
    newest = findings.regressions[0]
    of = "candidate, " if newest.point.candidate else ""
    return (
        f"{text.counted(len(findings.regressions), 'regression', 'regressions')}. The newest: {of}"
        f"{text.change(newest.point.ratio)} in {words.title(newest.series.id)}, since {words.time(newest.first)} with "
        f"{words.commit(newest.first)}."
    )


def _without_plot(count: int) -> Iterator[str]:
    if count > 0:
        yield f"{text.counted(count, 'series', 'series')} with older steps shown as a small line instead of a plot"


def _newest_first(findings: Findings) -> list[SteppedSeries]:
    """The series with steps: those with regressions, the newest first, then the others."""
    order = dict.fromkeys(step.series.id for step in (*findings.regressions, *findings.improvements))
    by_id = {of.series.id: of for of in findings.series}
    return [by_id[of] for of in order]


def _all_steps(
    caption: str, steps: Sequence[Step], anchors: Mapping[SeriesId, str], differences: Mapping[SeriesId, str]
) -> Table | None:
    columns = (
        _CHANGE,
        Column[Step]("Case", lambda step: Link(step.series.id.case, anchors[step.series.id])),
        Column[Step]("Metric", lambda step: step.series.id.metric, once=True),
        _INTERVAL,
        Column[Step]("Since", lambda step: step.first.started[:10]),
        *_COMMITS,
        Column[Step]("Remark", lambda step: words.status(step, brief=True)),
        Column[Step]("Where", lambda step: differences[step.series.id]),
    )
    return table(caption, columns, steps)


_CHANGE = Column[Step]("Change", lambda step: text.change(step.point.ratio), numeric=True)
_INTERVAL = Column[Step]("Interval", words.interval)
_COMMITS = (
    Column[Step]("Commit", lambda step: words.commit(step.first)),
    Column[Step]("Before", lambda step: words.commit(step.previous)),
)
_COLUMNS = (
    _CHANGE,
    _INTERVAL,
    Column[Step]("Levels", words.levels),
    Column[Step]("Since", lambda step: words.time(step.first)),
    *_COMMITS,
    Column[Step]("Confidence", lambda step: text.share(step.point.confidence), numeric=True),
    Column[Step]("Remark", words.status),
)


def _plotted(of: SteppedSeries, anchor: str, plotted: bool) -> PlottedSeries:
    values = of.series.values
    return PlottedSeries(
        anchor=anchor,
        title=words.title(of.series.id),
        where="; ".join(filter(None, (text.counted(len(values), "value", "values"), words.where(of.series.id)))),
        stepped=of,
        plotted=plotted,
        line=_line(of),
        steps=table("Steps", _COLUMNS, of.steps),
    )


def _flat(of: SteppedSeries, difference: str) -> FlatSeries:
    values = of.series.values
    latest = words.value(values[-1].value, of.series.id.unit)
    return FlatSeries(words.title(of.series.id), difference, len(values), latest, _line(of))


def _line(of: SteppedSeries) -> str:
    return sparkline.path([value.value for value in of.series.values])
