"""After the sweep: cases that met contention, or lacked time, are measured again while there is time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench_core.execution import again, progress
from bench_core.execution.measuring import measure_case
from bench_core.execution.session import BenchSession


def refine(session: BenchSession) -> Iterator[str]:
    """Measure cases again, the most urgent first, each once; yields a line for each.

    A budget ends it. Without one, it may take a quarter of the time that the sweep took.
    """
    schedule = session.schedule
    until = schedule.budget if schedule.budget is not None else (1 + again.REPEAT_SHARE) * schedule.elapsed
    for one in again.wanted(session.measured.values()):
        limit = again.limit_within(one, until - schedule.elapsed)
        if limit is None or one.record.case not in session.replace:
            continue
        figure = _measure_again(session, one, limit)
        left = until - schedule.elapsed if schedule.budget is not None else 0.0
        yield progress.line("again", one.record.case.id, figure, left)


def _measure_again(session: BenchSession, one: again.Measured, limit: float) -> str:
    """Measure a case again and keep the measurement that counts; what was measured before stays if this fails."""
    first = one.record
    workload = session.selection.workload_of(first.case)
    effort = replace(session.full_effort(workload), max_time=limit)
    try:
        measurement, second = measure_case(session, first.case, effort, first)
    except Exception as error:  # whatever goes wrong now, the first figure is sound
        return f"kept the first figure: {error}"
    if again.counts(first, second) is first:
        return "kept the first figure: other work disturbed the second more"
    session.note_again(second, measurement.samples, limit)
    return progress.format_figure(second)
