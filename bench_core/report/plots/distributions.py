"""The samples of the cases of a workload that fall into two groups, so that one median does not describe them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench_core.analysis.comparison import Result
from bench_core.core import stats, text
from bench_core.core.results import FlagCode
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Mark, MarkChart
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import MachineLabels

MAX_SAMPLES = 120
SERIES = (("median of all samples", None), ("median of a group", None))


def modes_plot(results: Sequence[Result], labels: MachineLabels) -> Plot | None:
    """One row for each flagged case: its samples in the order in which they were taken; ``None`` without any."""
    flagged = [r for r in results if any(flag.code == FlagCode.TWO_MODES for flag in r.record.flags)]
    if not flagged:
        return None
    workload = flagged[0].case.workload
    chart = MarkChart(
        title=f"{workload}: samples in two groups",
        subtitle="Each small dot is a sample, the first at the top of its row",
        footer=series.machines_footer(flagged, labels),
        axis="Sample / median",
        series=SERIES,
        rows=tuple(zip(series.case_labels(flagged, labels), map(_marks, flagged), strict=True)),
        tick=partial(text.ratio, number=text.brief),
    )
    alt = f"{workload}: the samples of each case that fall into two groups, divided by their median."
    return Plot(file_name(workload, "samples"), chart, alt)


def _marks(result: Result) -> tuple[Mark, ...]:
    """The median with the samples around it, and the medians of both groups; all relative to the median."""
    timing = result.record.timing
    raw = tuple(sample / timing.median for sample in stats.thin(timing.samples, MAX_SAMPLES))
    groups = stats.two_modes(timing.samples) or ()
    return (Mark(0, 1.0, raw=raw), *(Mark(1, group / timing.median) for group in groups))
