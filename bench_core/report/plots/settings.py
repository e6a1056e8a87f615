"""The plots of a workload's settings: one row each, at one batch size or with a dot for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Mark, MarkChart
from bench_core.report.plots.charts import BELOW, Plot, file_name, speedup_dots, subtitle
from bench_core.report.plots.series import MachineLabels


def settings_plots(results: Sequence[Result], curves: Sequence[Curve], labels: MachineLabels) -> tuple[Plot, ...]:
    """The times of a workload's settings, and, with a GPU, their speedups; none unless there are several settings."""
    plots = (_times(_alike(results), labels), _speedups(curves, labels))
    return tuple(plot for plot in plots if plot)


def _alike(results: Sequence[Result]) -> list[Result]:
    """The results in the dtype, variant and batch size of which there are most settings."""
    settings = Counter((r.case.dtype, r.case.variant_label, r.case.batch_size) for r in _one_each(results))
    most = max(settings, key=lambda key: settings[key], default=None)
    return [r for r in results if (r.case.dtype, r.case.variant_label, r.case.batch_size) == most]


def _one_each(results: Iterable[Result]) -> Iterable[Result]:
    """One result of each setting, dtype, variant and batch size, whatever its device."""
    return {(r.case.setting, r.case.dtype, r.case.variant_label, r.case.batch_size): r for r in results}.values()


def _times(results: Sequence[Result], labels: MachineLabels) -> Plot | None:
    """Time per unit: one row for each setting, one series for each device."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.case.setting, []).append(result)
    if len(rows) < 2:
        return None
    first = {(r.machine.hardware, r.case.device, r.case.threads): r for r in results}
    of = {key: nth for nth, key in enumerate(first)}
    unit, workload = results[0].record.unit, results[0].case.workload
    batch = text.whole(results[0].case.batch_size)
    chart = MarkChart(
        title=f"{workload}: all settings",
        subtitle=subtitle(f"Time per {unit} at batch size {batch}", results, "lower is better"),
        footer=series.machines_footer(results, labels),
        axis=f"Time per {unit}",
        series=tuple(
            zip(series.device_names(list(first.values()), labels), map(series.side, first.values()), strict=True)
        ),
        rows=tuple(
            (name or text.NONE, tuple(_mark(r, of[r.machine.hardware, r.case.device, r.case.threads]) for r in own))
            for name, own in sorted(rows.items(), key=lambda row: min(r.record.per_unit for r in row[1]))
        ),
        tick=partial(text.seconds, number=text.brief),
    )
    alt = f"{workload}: time per {unit} of each setting, by device. {BELOW}"
    return Plot(file_name(workload, "settings", "time"), chart, alt)


def _mark(result: Result, of: int) -> Mark:
    return Mark(of, result.record.per_unit, result.interval, contended=result.record.contended)


def _speedups(curves: Sequence[Curve], labels: MachineLabels) -> Plot | None:
    """The speedups of the settings, one row each."""
    drawn = [curve for curve in curves if curve.measured]
    if len({curve.rows[0].case.setting for curve in drawn}) < 2:
        return None
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    names = series.distinguishing(
        [row.contender for curve in drawn for row in curve.measured[:1] if row.contender], labels
    )
    workload = drawn[0].rows[0].case.workload
    rows = series.speedup_rows(list(zip(names, drawn, strict=True)))
    chart = speedup_dots(f"{workload}: all settings", series.machines_footer(sides, labels), rows)
    alt = f"{workload}: speedup of the GPU over the CPU for each setting. {BELOW}"
    return Plot(file_name(workload, "settings"), chart, alt)
