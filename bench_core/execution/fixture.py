"""The fixture ``device_benchmark``, without pytest itself: the plugin connects the two."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_benchmark.utils import safe_dumps

from bench_core.core.case import Case, Effort, Sources
from bench_core.core.errors import CaseSkipped
from bench_core.core.records import Outcome, Record
from bench_core.core.results import Measurement
from bench_core.core.studies import Row
from bench_core.core.user_tests import case_of_test
from bench_core.execution.figures import Labels
from bench_core.execution.isolation import breaks_accelerator
from bench_core.execution.measuring import measure_case
from bench_core.execution.progress import format_figure
from bench_core.execution.resume import measurement_of
from bench_core.execution.runner import run_step, threads
from bench_core.execution.session import BenchSession, Replace
from bench_core.storage.files import KEY, encode
from bench_core.timing.replay import ReplayClock
from bench_core.workloads.kit.building import build

FROM_JOURNAL = "from the journal"
LACK_OF_TIME = "no time was left for it (--bench-budget)"


@dataclass(frozen=True)
class DeviceBenchmark:
    """Measures a step and hands the samples to pytest-benchmark.

    ``test`` is the test's node id, ``name`` that of its case or study, ``benchmark`` pytest-benchmark's fixture with
    ``clock`` as its timer; ``note`` is called with the result as text.
    """

    test: str
    name: str
    clock: ReplayClock
    benchmark: Any
    session: BenchSession
    note: Callable[[str], None]

    def __call__(self, step: Callable[[], Any], *, device: str = "cpu", units: int = 1) -> Measurement | None:
        """Measure ``step``, whose calls use ``device`` and do ``units`` units of work each.

        The record is named after the test and its parameters. Returns the measurement, or ``None`` where benchmarks
        are disabled and the step was called once. Raises ``ValueError`` for fewer than one unit.
        """
        asked = self.session.request.sweep.threads or ()
        case = case_of_test(self.test, device, units, asked[0] if len(asked) == 1 else None)
        file = case.workload.partition("::")[0]
        labels = Labels(file, kind="op", unit="unit", summary=f"A test of {file}.", source=file)
        effort = self.session.request.effort
        return self._run(case, effort, step, lambda: run_step(step, case, units, effort, labels))

    def case(self, case: Case) -> Measurement | None:
        """Build and measure a case of a workload of the suite, in a process of its own if the session isolates it.

        Where benchmarks are disabled, its only call is made in this process. Raises ``CaseSkipped`` if the time that is
        left of the budget does not suffice.
        """
        if case not in self.session.earlier:
            self._check_time()
        workload, sources = self.session.selection.workload_of(case), self.session.request.sources
        effort = self.session.effort_for(case, workload)

        def once() -> None:
            if case.ranks is not None:
                raise CaseSkipped("cases over ranks are not run where benchmarks are disabled")
            with threads(case.threads):
                build(workload, case, sources=sources)()

        return self._run(case, effort, once, lambda: measure_case(self.session, case, effort), self._replace)

    def study(self, run: Callable[[Sources], Sequence[Row]], summary: Callable[[Sequence[Row]], str]) -> None:
        """Run a study and store its rows with the run; ``summary`` describes them in a line for the terminal.

        ``run`` is given what the user brings, such as real data. A study has no samples, so pytest-benchmark
        stores nothing of it. Raises ``CaseSkipped`` where benchmarks are disabled.
        """
        if self.benchmark.disabled:
            raise CaseSkipped("studies are not run where benchmarks are disabled")
        earlier = self.session.earlier.rows(self.name)
        if earlier is None:
            self._check_time()
        self.benchmark.disabled = True  # so that pytest-benchmark only calls ``run``
        if earlier is not None:
            self.benchmark.pedantic(_nothing, rounds=1, iterations=1)
            self.session.note_rows(self.name, earlier)
            self.note(FROM_JOURNAL)
            return
        rows = self.benchmark.pedantic(run, args=(self.session.request.sources,), rounds=1, iterations=1)
        self.session.note_study(self.name, rows)
        self.note(summary(rows))

    def _check_time(self) -> None:
        if not self.session.schedule.fits(self.name):
            self.session.note_not_run(self.name, Outcome.NOT_RUN, LACK_OF_TIME)
            raise CaseSkipped(LACK_OF_TIME)

    def _run(
        self,
        case: Case,
        effort: Effort,
        once: Callable[[], Any],
        run: Callable[[], tuple[Measurement, Record]],
        replace_by: Replace | None = None,
    ) -> Measurement | None:
        if self.benchmark.disabled:
            self.benchmark.pedantic(once, rounds=1, iterations=1)
            self.note("called once, as benchmarks are disabled")
            return None
        earlier = self.session.earlier.record(case)
        try:
            measurement, record = (measurement_of(earlier), earlier) if earlier else run()
        except Exception as error:
            if breaks_accelerator(error):
                self.session.note_broken_accelerator(self.name)
            raise
        self.benchmark.extra_info[KEY] = encode(record)
        self.clock.load(measurement.samples)
        self.benchmark.pedantic(_nothing, rounds=len(measurement.samples), iterations=1)
        self.session.note_record(record, effort, replace_by, self._shown())
        self.note(f"{format_figure(record)}, {FROM_JOURNAL}" if earlier else format_figure(record))
        return measurement

    def _replace(self, samples: Sequence[float], record: Record) -> None:
        """Put another measurement of the case in the place of the one that pytest-benchmark has."""
        self.benchmark.extra_info[KEY] = encode(record)
        kept = self.benchmark.stats
        kept.stats = type(kept.stats)()
        for sample in samples:
            kept.stats.update(sample)

    def _shown(self) -> dict[str, Any]:
        """How pytest-benchmark names this case in what it stores, as JSON data."""
        named = {name: getattr(self.benchmark, name, None) for name in ("group", "name", "fullname", "params", "param")}
        shown: dict[str, Any] = json.loads(safe_dumps(named))  # type: ignore[no-untyped-call]
        return shown


def _nothing() -> None:
    """Called by pytest-benchmark while the samples are replayed."""
