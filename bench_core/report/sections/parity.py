"""The section on parity: how far the results of each workload are from float64, by device and dtype."""

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
MEANINGLESS = 0.5
"""A relative tolerance above which a check says nothing."""


def parity(results: Iterable[Result], columns: Columns) -> Study | None:
    """The section, with the case closest to its tolerance for each workload, device, dtype and variant; ``None`` if no
    result was compared with float64."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    unchecked: dict[str, str] = {}
    for result in results:
        case, record = result.case, result.record
        if record.parity:
            key = (case.workload, result.machine.hardware, case.device, case.dtype, case.variant_label)
            groups.setdefault(key, []).append(result)
        else:
            unchecked[case.workload] = record.unavailable.get("parity", "no reason is stored")
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
            Column("Unchecked", _unchecked),
            Column("Cases", lambda g: text.whole(len(g)), numeric=True),
        ),
        groups.values(),
        [f"Not compared with float64: {name}: {reason}." for name, reason in unchecked.items()],
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
    return Study(NAME, about, (), (), (errors,) if errors else ())


def _unchecked(group: list[Result]) -> str:
    """The quantities of which the check says nothing in some case of the group."""
    checks = [result.record.parity for result in group if result.record.parity]
    loose = [check.quantity for check in checks if check.tolerance > MEANINGLESS]
    return ", ".join(dict.fromkeys([name for check in checks for name in check.inconclusive] + loose))


def _closest(group: list[Result]) -> Parity:
    """The parity of the result that is closest to its tolerance."""
    checked = [result.record.parity for result in group if result.record.parity]
    return max(checked, key=lambda p: p.error / p.tolerance)
