"""The section on parity: how far the results of each workload are from float64, by device and dtype."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core.analysis.comparison import Result
from bench_core.core import text
from bench_core.core.case import device_title
from bench_core.core.results import Parity
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Mark, MarkChart, Side
from bench_core.report.plots.charts import BELOW, Plot
from bench_core.report.plots.series import MachineLabels, device_words
from bench_core.report.sections.study import Study
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.marks import MEANINGLESS, unchecked
from bench_core.report.tables.table import Column, Link, table

NAME = "Do the results agree?"


def parity(results: Iterable[Result], columns: Columns) -> Study | None:
    """The section, with the case closest to its tolerance for each workload, device, dtype and variant; ``None`` if no
    result was compared with float64."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    without: dict[str, str] = {}
    for result in results:
        case, record = result.case, result.record
        if record.parity:
            key = (case.workload, result.machine.hardware, case.device, case.dtype, case.variant_label)
            groups.setdefault(key, []).append(result)
        else:
            without[case.workload] = record.unavailable.get("parity", "no reason is stored")
    if not groups:
        return None
    errors = table(
        "Relative error against float64",
        (
            Column[list[Result]]("Workload", lambda g: Link(g[0].case.workload, g[0].case.workload)),
            Column("Machine", lambda g: columns.label(g[0]), once=True),
            Column("Device", lambda g: device_words(g[0])),
            Column("Dtype", lambda g: g[0].case.dtype, once=True),
            Column("Variant", lambda g: g[0].case.variant_label, once=True),
            Column("Relative error", lambda g: text.small(_closest(g).error), numeric=True),
            Column("Tolerance", lambda g: text.small(_closest(g).tolerance), numeric=True),
            Column("Quantity", lambda g: _closest(g).quantity),
            Column("Unchecked", lambda g: unchecked(result.record.parity for result in g)),
            Column("Cases", lambda g: text.whole(len(g)), numeric=True),
        ),
        groups.values(),
        [f"Not compared with float64: {name}: {reason}." for name, reason in without.items()],
    )
    about = (
        "Before a case is timed, the results of its first call are compared with the same work in float64 on the CPU: "
        "the outputs and, in training, also the gradients and the first update of the weights. Errors are relative: "
        "the norm of the difference divided by the norm of the float64 result. The update is compared with the step "
        "that the optimizer takes in float64 from the same gradients. A case whose error exceeds the tolerance of its "
        "dtype fails and gets no time. Each row shows the case and the quantity closest to the tolerance. Unchecked is "
        "what rounding alone changes as much as a bug would, or what may be off by more than "
        f"{text.share(MEANINGLESS)}."
    )
    plot = _plot([max(group, key=_share) for group in groups.values()], columns.labels)
    return Study(NAME, about, (), (plot,) if plot else (), (errors,) if errors else ())


def _plot(closest: Sequence[Result], labels: MachineLabels) -> Plot | None:
    """The errors by workload, one series for each device and dtype; ``None`` for less than two, which need no plot. An
    error of 0 has no place on a logarithmic axis."""
    drawn = [result for result in closest if result.record.parity and result.record.parity.error]
    if len(drawn) < 2:
        return None
    of = {name: nth for nth, name in enumerate(dict.fromkeys(map(_series, drawn)))}
    rows: dict[str, list[Mark]] = {}
    for result in drawn:
        if check := result.record.parity:
            mark = Mark(of[_series(result)], check.error, limit=check.tolerance)
            rows.setdefault(result.case.workload, []).append(mark)
    chart = MarkChart(
        title="Relative error against float64",
        subtitle="The case and quantity closest to the tolerance; left of the tolerance it passes",
        footer=series.machines_footer(drawn, labels, data=False),
        axis="Relative error",
        series=tuple(of),
        rows=tuple((name, tuple(marks)) for name, marks in rows.items()),
        tick=_tick,
        limit="tolerance",
    )
    alt = f"The relative error of each workload against float64, by device and dtype. {BELOW}"
    return Plot("parity", chart, alt)


def _tick(error: float) -> str:
    return f"{error:.0e}"


def _series(result: Result) -> tuple[str, Side]:
    return f"{device_title(result.case.device)}, {result.case.dtype}", Side.GPU if result.on_gpu else Side.CPU


def _share(result: Result) -> float:
    """How much of its tolerance the error of a result is."""
    check = result.record.parity
    return check.error / check.tolerance if check else 0.0


def _closest(group: list[Result]) -> Parity:
    """The parity of the result that is closest to its tolerance."""
    check = max(group, key=_share).record.parity
    assert check is not None, "groups have results that were compared with float64 only"
    return check
