"""What was measured beside other work: a line at the top for a busy machine, and one list of the cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Pool
from bench_core.core.busy import busy_line, contended_count, contention_words, the_worst
from bench_core.core.records import Record, Run
from bench_core.report.facts import when
from bench_core.report.plots.series import MachineLabels
from bench_core.report.tables.table import Folded


def busy_runs(runs: Sequence[Run], pooled: Pool, labels: MachineLabels) -> Iterable[str]:
    """A warning for each run on a machine that was busy throughout, unless newer runs replaced all of its records."""
    used = {result.info.run_id for result in pooled.results}
    for run in runs:
        line = busy_line(run.records)
        if line and run.info.run_id in used:
            which = f"The run of {when(run)} UTC on machine {labels[run.info.machine.hardware]}: " if runs[1:] else ""
            words = f"{which}{line}"
            yield words[0].upper() + words[1:]


def contended_cases(results: Iterable[Result], labels: MachineLabels) -> Iterable[Folded]:
    """One list for each machine with contended cases: how many there are, and how bad the worst is."""
    by_machine: dict[str, list[Record]] = {}
    for result in results:
        by_machine.setdefault(result.machine.hardware, []).append(result.record)
    for hardware, records in by_machine.items():
        items = tuple(f"{record.case.id}: {contention_words(record)}" for record in records if record.contended)
        if items:
            where = f"Machine {labels[hardware]}: " if len(labels) > 1 else ""
            yield Folded(f"{where}{contended_count(records)}; {the_worst(records)}", items)
