"""The section on parity: how far every workload's results are from float64, by device and dtype."""

from __future__ import annotations

from collections.abc import Iterable

from bench_core.analysis.comparison import Result
from bench_core.core import text
from bench_core.core.results import Parity
from bench_core.report.plots.series import device_words
from bench_core.report.sections.study import Study
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Column, Link, table

NAME = "Do the results agree?"


def parity(figures: Iterable[Result], columns: Columns) -> Study | None:
    """The section, with the case nearest its tolerance for each workload, device, dtype and variant; ``None`` where
    nothing was held against float64."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    unheld: dict[str, str] = {}
    for figure in figures:
        case, record = figure.case, figure.record
        if record.parity:
            key = (case.workload, figure.machine.hardware, case.device, case.dtype, case.variant_label)
            groups.setdefault(key, []).append(figure)
        else:
            unheld[case.workload] = record.unavailable.get("parity", "no reason is stored")
    if not groups:
        return None
    found = table(
        "Distance from float64",
        (
            Column[list[Result]]("Workload", lambda g: Link(g[0].case.workload, g[0].case.workload)),
            Column("Machine", lambda g: columns.label(g[0]), once=True),
            Column("Device", lambda g: device_words(g[0])),
            Column("Dtype", lambda g: g[0].case.dtype, once=True),
            Column("Variant", lambda g: g[0].case.variant_label, once=True),
            Column("Error", lambda g: text.small(_nearest(g).error), numeric=True),
            Column("Allowed", lambda g: text.small(_nearest(g).tolerance), numeric=True),
            Column("In", lambda g: _nearest(g).quantity),
            Column("Cases", lambda g: text.whole(len(g)), numeric=True),
        ),
        groups.values(),
        [f"Not held against float64: {name}: {reason}." for name, reason in unheld.items()],
    )
    about = (
        "Before a case's time counts, its first call is held against the same work in float64 on the CPU: its outputs, "
        "and in training the gradients and the first change of the weights. A case that is further off than its dtype "
        "allows has failed and has no time. Shown is the case that came nearest to what is allowed; errors are "
        "relative to the size of what is compared."
    )
    return Study(NAME, about, (), (), (found,) if found else ())


def _nearest(group: list[Result]) -> Parity:
    """The parity of the figure that came nearest to its tolerance."""
    held = [figure.record.parity for figure in group if figure.record.parity]
    return max(held, key=lambda p: p.error / p.tolerance)
