"""After the sweep, cases are measured again while there is time; what counts replaces the first figure."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench_core.core.case import Effort
from bench_core.core.errors import ParityError
from bench_core.core.results import Contention, Flag, FlagCode
from bench_core.execution import refining
from bench_core.execution.options import parse
from bench_core.execution.schedule import Schedule
from bench_core.execution.session import BenchSession
from bench_core.storage import files
from tests.execution.test_session import fixture
from tests.support import factory

FLAGS = (Flag(FlagCode.CONTENTION, "other work"),)


class Bench:
    """A session whose cases met contention, a clock, and a ``measure_case`` that takes ten seconds of it."""

    def __init__(self, tmp_path: Path, budget: float | None) -> None:
        self.now = 100.0
        self.session = BenchSession(parse({"device": "cpu", "workload": "gemm", "threads": "1"}, tmp_path))
        self.cases = self.session.selection.cases_of()
        self.session.schedule = Schedule({}, {}, budget, clock=lambda: self.now)
        self.replaced: dict[str, float] = {}
        self.switches = 0
        self.error: Exception | None = None
        for case in self.cases:
            self.session.note_record(self.record(case, 900), Effort(), self._replace)

    def record(self, case, switches):
        flags = FLAGS if switches else ()
        made = factory.record(case, contention=Contention(1.0, switches, None, 0.0), flags=flags, wall_seconds=1.0)
        return replace(made, threads=1)

    def _replace(self, samples, record):
        self.replaced[record.case.id] = len(samples)

    def measure_case(self, session, case, effort, first):
        assert first == self.session.measured[case].record
        self.now += 10.0
        if self.error:
            raise self.error
        return SimpleNamespace(samples=(1.0, 2.0)), self.record(case, self.switches)


@pytest.fixture
def bench(tmp_path, monkeypatch, request):
    made = Bench(tmp_path, getattr(request, "param", None))
    monkeypatch.setattr(refining, "measure_case", made.measure_case)
    return made


@pytest.mark.parametrize("bench", [1000.0], indirect=True)
def test_contended_cases_are_measured_again_and_replaced(bench):
    lines = list(refining.refine(bench.session))
    assert len(lines) == len(bench.cases) == len(bench.replaced) == bench.session.again
    assert all(line.startswith("[again] gemm-") for line in lines)
    assert not any(one.record.contended for one in bench.session.measured.values())


@pytest.mark.parametrize("bench", [131.0], indirect=True)
def test_the_budget_ends_it(bench):
    assert len(list(refining.refine(bench.session))) == 3
    assert bench.now <= 131.0 + 10.0


def test_without_a_budget_it_may_take_a_quarter_of_the_time_so_far(bench):
    assert len(list(refining.refine(bench.session))) == 3
    assert bench.now == 130.0


@pytest.mark.parametrize("bench", [1000.0], indirect=True)
def test_a_measurement_that_met_more_contention_does_not_count(bench):
    bench.switches = 901
    lines = list(refining.refine(bench.session))
    assert all("kept the first figure" in line for line in lines)
    assert (bench.replaced, bench.session.again) == ({}, 0)


@pytest.mark.parametrize("bench", [1000.0], indirect=True)
def test_a_case_that_fails_the_second_time_keeps_its_first_figure(bench):
    bench.error = ParityError("relative error 0.3")
    lines = list(refining.refine(bench.session))
    assert all("kept the first figure: relative error 0.3" in line for line in lines)
    assert len(bench.session.measured) == len(bench.cases)


def test_pytest_benchmark_gets_the_samples_and_the_record_that_count(tmp_path):
    session = BenchSession(
        parse({"device": "cpu", "workload": "gemm", "batch_size": "8", "max_time": "0.02"}, tmp_path)
    )
    case = session.selection.cases_of()[0]
    device_benchmark = fixture(session, case.id)
    device_benchmark.case(case)
    second = factory.record(case)
    session.replace[case]([1.0, 2.0, 3.0], second)
    assert files.decode_record(device_benchmark.benchmark.extra_info[files.KEY], "here") == second
    assert device_benchmark.benchmark.stats.stats.data == [1.0, 2.0, 3.0]
