"""Measures a case of a run where the run wants it: in this process, or in one of its own."""

from __future__ import annotations

from bench_core.core.case import Case, Effort
from bench_core.core.records import Record
from bench_core.core.results import Measurement
from bench_core.execution.isolation import run_isolated
from bench_core.execution.runner import run_case
from bench_core.execution.session import BenchSession

RANKS_TIMEOUT = 600.0
"""Seconds that a case over ranks may take where no limit is asked for: its ranks might all wait for ever."""


def measure_case(
    session: BenchSession, case: Case, effort: Effort, first: Record | None = None
) -> tuple[Measurement, Record]:
    """Build, check and measure a case; ``first`` is its record if it was measured before.

    Raises what ``runner.run_case`` and ``isolation.run_isolated`` raise.
    """
    workload, request = session.selection.workload_of(case), session.request
    if session.isolates(case):
        timeout = request.timeout or (RANKS_TIMEOUT if case.ranks else None)
        return run_isolated(workload, case, effort, request.sources, timeout)
    return run_case(workload, case, effort, request.sources, first)
