"""Why: the ceilings of each machine, how many cases are bound by what, and what a GPU could give at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.causes import Cause, Key, Limits
from bench_core.analysis.gpu_bounds import DATA_SHEETS, Potential, best_of_workloads
from bench_core.analysis.regimes import Regime
from bench_core.analysis.roofline import rooflines
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import device_title
from bench_core.core.ceilings import Ceilings
from bench_core.core.text import counted
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.roofline import roofline_plot, roofline_table
from bench_core.report.sections.study import Study
from bench_core.report.tables.cause_columns import bound_columns
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.marks import footnote, marked
from bench_core.report.tables.table import Column, Table, table

WHY, POTENTIAL = "What the work is bound by", "What a GPU could give at most"


def why(limits: Limits, causes: Mapping[Key, Cause], labels: MachineLabels) -> Study | None:
    """The section on ceilings and regimes; ``None`` if no machine has ceilings."""
    ceilings = _ceilings(limits, labels)
    if ceilings is None:
        return None
    about = (
        "Each case has parts that take some time even at the best that this machine was measured to do: issuing its "
        "operators, moving its bytes, its arithmetic. The longest part names what the case is bound by; its share of "
        "the time that was measured says how near the case is to this machine's ceiling. Two parts of which the second "
        "is more than 80% of the first are called mixed. Traffic is a lower bound: each operator reads its inputs and "
        "writes its outputs once. The tables of the workloads have the figures of each case."
    )
    under = rooflines(causes)
    plots = (roofline_plot(one, labels) for one in under)
    tables = (ceilings, *(roofline_table(one, labels) for one in under))
    return Study(
        WHY,
        about,
        tuple(regimes(causes, labels)),
        tuple(plot for plot in plots if plot),
        tuple(one for one in tables if one),
    )


def regimes(causes: Mapping[Key, Cause], labels: MachineLabels) -> Iterable[str]:
    """How many cases of each machine are bound by what."""
    for hardware, letter in labels.items():
        own = [cause for (where, _), cause in causes.items() if where == hardware]
        if own:
            counts = Counter(cause.bound.regime for cause in own)
            shown = ", ".join(f"{number} {regime}" for regime, number in _most_first(counts))
            yield f"Machine {letter}, {counted(len(own), 'case', 'cases')}: {shown}."


def _most_first(counts: Counter[Regime]) -> list[tuple[Regime, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _ceilings(limits: Limits, labels: MachineLabels) -> Table | None:
    """A row for each device and number of threads, all measured."""

    def peak(dtype: str) -> Column[tuple[str, Ceilings]]:
        return Column(f"{dtype} FLOP/s", lambda row: text.count(row[1].flops.get(dtype)), numeric=True)

    rows = [(hardware, row) for (hardware, _, _), row in limits.items()]
    dtypes = dict.fromkeys(dtype for _, row in rows for dtype in row.flops)
    columns: tuple[Column[tuple[str, Ceilings]], ...] = (
        Column("Machine", lambda row: labels[row[0]], once=True),
        Column("Device", lambda row: marked(_device(row[1]), row[1].contended)),
        *map(peak, dtypes),
        Column("Memory, bytes/s", lambda row: text.count(row[1].memory[-1].speed), numeric=True),
        Column("Cache, bytes/s", lambda row: text.count(max(p.speed for p in row[1].memory)), numeric=True),
        Column("Operator", lambda row: text.seconds(row[1].operator), numeric=True),
        Column("Operator, training", lambda row: text.seconds(row[1].training_operator), numeric=True),
        Column("Launch", lambda row: text.seconds(row[1].launch), numeric=True),
        Column("From the host, bytes/s", lambda row: text.count(row[1].link), numeric=True),
    )
    return table("Ceilings, measured", columns, rows, footnote(row.contended for _, row in rows))


def _device(ceilings: Ceilings) -> str:
    threads = f", {counted(ceilings.threads, 'thread', 'threads')}" if ceilings.device == "cpu" else ""
    return f"{device_title(ceilings.device)}{threads}"


def potential(potentials: Sequence[Potential], columns: Columns) -> Study | None:
    """The section on what GPUs could give, for machines without one; ``None`` if there is nothing to say."""
    best = list(best_of_workloads(potentials).values())
    if not best:
        return None
    about = (
        "An upper bound, not a measurement: no GPU of these kinds can be faster in eager mode. It follows from what a "
        "call was counted to do, the GPUs' data sheets, and the time that this machine needs to issue an operator. A "
        "measured speedup is often far below it. Where it is below 1, the answer is no, and needs no GPU. Each row is "
        "the batch size with the largest bound, of fp32 in eager mode; gpu_bounds.csv has all cases and GPUs."
    )
    hopeless = [p.cause.result.case.workload for p in best if p.largest.speedup < 1.0]
    sentence = f"No GPU can be worth it for {', '.join(hopeless)}: the bound is below 1." if hopeless else ""
    sources = "; ".join(dict.fromkeys(sheet.source for sheet in DATA_SHEETS))
    notes = [f"Data sheets: {sources}.", f"Cases {BESIDE_OTHER_WORK} are left out."]
    rows = table("Upper bounds of the speedup over all cores of the CPU", bound_columns(columns), best, notes)
    return Study(POTENTIAL, about, (sentence,) if sentence else (), (), (rows,) if rows else ())
