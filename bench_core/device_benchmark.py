"""The fixture ``device_benchmark``: measures a step and hands the samples to pytest-benchmark. Knows no pytest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench_core import workloads
from bench_core.clock import ReplayClock
from bench_core.records import KEY, Record, encode
from bench_core.runner import Labels, run_case, run_step, threads
from bench_core.sampling import Measurement
from bench_core.session import BenchSession, figure
from bench_core.spec import Case, CaseSkipped

R = TypeVar("R")


class DeviceBenchmark:
    """Measures a step and hands the samples to pytest-benchmark.

    ``name`` is the test's node id, ``benchmark`` pytest-benchmark's fixture with ``clock`` as its timer; ``note`` is
    given the figure in words.
    """

    def __init__(
        self, name: str, clock: ReplayClock, benchmark: Any, session: BenchSession, note: Callable[[str], None]
    ) -> None:
        self._name, self._clock, self._benchmark = name, clock, benchmark
        self._session, self._note = session, note

    def __call__(self, step: Callable[[], Any], *, device: str = "cpu", units: int = 1) -> Measurement | None:
        """Measure ``step``, whose calls give work to ``device`` and do ``units`` units of work each.

        The record is named after the test and its parameters. Returns the measurement, or ``None`` where benchmarks
        are disabled and the step was called once. Raises ``ValueError`` for fewer than one unit.
        """
        where, _, parameters = self._name.partition("[")
        asked = self._session.request.sweep.threads or ()
        case = Case(
            workload=where,
            device=device,
            batch_size=units,
            dtype="default",
            setting="-".join(part for part in parameters.removesuffix("]").split("-") if part != device),
            threads=asked[0] if len(asked) == 1 else None,
        )
        file = where.partition("::")[0]
        labels = Labels(file, kind="op", unit="unit", summary=f"A test of {file}.", source=file)
        return self._run(step, lambda: run_step(step, case, units, self._session.request.effort, labels))

    def case(self, case: Case) -> Measurement | None:
        """Build and measure a case of a workload of the suite."""
        request = self._session.request

        def once() -> None:
            with threads(case.threads):
                workloads.build(case, data_dir=request.data_dir)()

        return self._run(once, lambda: run_case(case, self._session.effort_for(case), request.data_dir))

    def study(self, name: str, run: Callable[[Path | None], Sequence[R]], words: Callable[[Sequence[R]], str]) -> None:
        """Make a study and keep its rows with the run, in the field ``name`` of ``RunInfo``; ``words`` sums them up.

        ``run`` is given the folder of real data sets, if there is one. A study has no samples, so pytest-benchmark
        keeps nothing of it. Raises ``CaseSkipped`` where benchmarks are disabled.
        """
        if self._benchmark.disabled:
            raise CaseSkipped("no study is made where benchmarks are disabled")
        self._benchmark.disabled = True
        rows = self._benchmark.pedantic(run, args=(self._session.request.data_dir,), rounds=1, iterations=1)
        self._session.note_study(name, rows)
        self._note(words(rows))

    def _run(self, once: Callable[[], Any], run: Callable[[], tuple[Measurement, Record]]) -> Measurement | None:
        if self._benchmark.disabled:
            self._benchmark.pedantic(once, rounds=1, iterations=1)
            self._note("called once, as benchmarks are disabled")
            return None
        measurement, record = run()
        self._benchmark.extra_info[KEY] = encode(record)
        self._clock.load(measurement.samples)
        self._benchmark.pedantic(_nothing, rounds=len(measurement.samples), iterations=1)
        self._session.note_record(record)
        self._note(figure(record))
        return measurement


def _nothing() -> None:
    """What pytest-benchmark calls while the samples are replayed."""
