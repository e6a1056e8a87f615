"""A benchmark run without pytest: the session, and the fixture with a stand-in for pytest-benchmark's."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped
from bench_core.core.records import NotRun, Outcome
from bench_core.core.results import Flag, FlagCode
from bench_core.core.studies import LadderRung
from bench_core.execution.fixture import DeviceBenchmark
from bench_core.execution.options import parse
from bench_core.execution.session import MAX_WARNINGS, BenchSession
from bench_core.storage import files
from bench_core.timing.replay import ReplayClock
from tests.support import factory

QUICK = {"device": "cpu", "threads": "1", "max_time": "0.02"}
SYNTHETIC_CPU = factory.machine(gpu=False)
GEMM = workloads.get("gemm")  # loaded here, before any test that runs pytest within this process


class Benchmark:
    """Times each round as pytest-benchmark's fixture does."""

    def __init__(self, clock, disabled=False):
        self.clock, self.disabled = clock, disabled
        self.extra_info = {}
        self.rounds = []

    def pedantic(self, target, args=(), rounds=1, iterations=1):
        for _ in range(rounds):
            start = None if self.disabled else self.clock()
            result = target(*args)
            if not self.disabled:
                self.rounds.append(self.clock() - start)
        return result


def fixture(session, name, disabled=False, notes=None):
    clock = ReplayClock()
    return DeviceBenchmark(
        test=f"test_file.py::test_it[{name}]",
        name=name,
        clock=clock,
        benchmark=Benchmark(clock, disabled),
        session=session,
        note=(notes if notes is not None else []).append,
    )


@pytest.fixture
def session(tmp_path):
    """The session of a small sweep: two cases of one workload."""
    return BenchSession(parse({**QUICK, "workload": "gemm", "batch_size": "8,16"}, tmp_path))


def test_a_workload_is_looked_up_by_name_once_from_the_option_to_the_records(monkeypatch, tmp_path):
    lookups = Counter[str]()

    def get(name, get=workloads.get):
        lookups[name] += 1
        return get(name)

    monkeypatch.setattr(workloads, "get", get)
    session = BenchSession(parse({**QUICK, "workload": "gemm", "batch_size": "8,16"}, tmp_path))
    cases = session.cases_of()
    session.plan(cases, 0, None, {})
    records = []
    for case in cases:
        device_benchmark = fixture(session, case.id)
        device_benchmark.case(case)
        records.append(files.decode_record(device_benchmark.benchmark.extra_info[files.KEY], "here"))
    assert [(record.case.workload, record.case.batch_size) for record in records] == [("gemm", 8), ("gemm", 16)]
    assert all(record.parity for record in records)
    assert session.recorded == 2
    assert lookups == {"gemm": 1}


def test_pytest_benchmark_is_given_the_samples_as_rounds_and_the_record(session):
    notes: list[str] = []
    (case, _) = session.cases_of()
    device_benchmark = fixture(session, case.id, notes=notes)
    measurement = device_benchmark.case(case)
    assert device_benchmark.benchmark.rounds == list(measurement.samples)
    assert list(device_benchmark.benchmark.extra_info) == [files.KEY]
    assert len(notes) == 1


def test_where_benchmarks_are_disabled_a_case_is_called_once_and_a_study_is_skipped(session):
    notes: list[str] = []
    (case, _) = session.cases_of()
    assert fixture(session, case.id, disabled=True, notes=notes).case(case) is None
    assert notes == ["called once, as benchmarks are disabled"]
    calls = []
    assert fixture(session, "own", disabled=True)(lambda: calls.append(1)) is None
    assert calls == [1]
    with pytest.raises(CaseSkipped, match="disabled"):
        fixture(session, "ladder-cpu", disabled=True).study(lambda data_dir: (), str)
    assert session.recorded == 0
    assert session.info(Path()).studied == ()


def test_rows_of_a_study_are_the_same_before_and_after_they_are_stored(session):
    rows = factory.ladder(("cpu",))
    notes: list[str] = []
    folders = []

    def run(data_dir):
        folders.append(data_dir)
        return rows[-2:]

    fixture(session, "ladder-cpu", notes=notes).study(run, lambda measured: f"{len(measured)} rungs")
    fixture(session, "ladder-again").study(lambda data_dir: rows[:1], str)
    info = session.info(Path())
    assert folders == [None]
    assert notes == ["2 rungs"]
    assert info.studied == ("ladder-cpu", "ladder-again")
    assert info.rows(LadderRung) == (*rows[-2:], rows[0])
    assert info.studies["ladder"][1]["interval"] == list(rows[-1].interval or ())
    stored = files.decode_run(files.encode(info), "here")
    assert stored.studies == info.studies
    assert stored.studied == info.studied


def test_facts_of_a_run_do_not_change_with_what_is_measured_later(session):
    session.note_study("ladder-cpu", factory.ladder(("cpu",))[:1])
    early = session.info(Path())
    session.note_study("ladder-again", factory.ladder(("cpu",))[1:2])
    assert (len(early.rows(LadderRung)), early.studied) == (1, ("ladder-cpu",))


def test_unstored_studies_are_named_at_the_end_of_a_run_without_a_case(session):
    session.note_study("ladder-cpu", factory.ladder(("cpu",)))
    assert [line for line in session.closing_lines() if line.startswith("not stored: ladder: ")]
    session.note_record(factory.record(Case("gemm")))
    assert not [line for line in session.closing_lines() if line.startswith("not stored")]


def test_a_family_swept_twice_is_noted_once(tmp_path):
    session = BenchSession(parse({**QUICK, "variant": "channels_last", "workload": "gemm"}, tmp_path))
    first, second = session.cases_of(), session.cases_of("gemm")
    assert first == second == []
    (entry,) = session.info(tmp_path).not_run
    assert entry.what == f"gemm ({len(GEMM.batch_sizes('cpu'))} cases)"
    assert "no variant 'channels_last'" in entry.reason


def test_a_run_is_partial_until_every_planned_case_is_done_or_if_it_was_stopped(session):
    cases = session.cases_of()
    session.plan(cases, 0, None, {})
    session.progress_line(cases[0].id, "done")
    assert session.info(Path()).partial
    session.progress_line(cases[1].id, "done")
    assert not session.info(Path()).partial
    session.stopped = True
    assert session.info(Path()).partial


def test_cases_take_as_long_as_in_the_newest_run_that_can_be_read(session, tmp_path):
    cases = session.cases_of()
    for number, seconds in ((1, 1000.0), (2, 400.0)):
        slow = [factory.record(case, wall_seconds=seconds) for case in cases]
        factory.store(factory.run(slow, SYNTHETIC_CPU), tmp_path / "stored" / f"000{number}_run.json")
    (tmp_path / "stored" / "0003_broken.json").write_text("{")
    session.plan(cases, 0, tmp_path / "stored", {"ladder-cpu": 100.0})
    assert session.opening_lines()[0].endswith("about 15 min")
    assert "2 cases and 1 study on cpu" in session.opening_lines()[0]


def test_a_study_of_another_workload_or_of_a_full_sweep_is_left_out(session):
    assert session.takes_study("ladder", "gemm", "default")
    assert not session.takes_study("ladder", "mlp_train", "default")
    assert not session.takes_study("learning", "gemm", "full")
    session.plan([], 0, None, {})
    assert (
        NotRun("learning (1 study)", Outcome.SKIPPED, "measured with --bench-sweep full", study="learning")
        in session.info(Path()).not_run
    )


def test_cases_are_isolated_on_request(session, tmp_path):
    (case, _) = session.cases_of()
    assert not session.isolates(case)
    assert BenchSession(parse({**QUICK, "timeout": "30"}, tmp_path)).isolates(case)


def test_once_an_error_has_broken_the_accelerator_its_cases_are_isolated_and_the_cpus_are_not(session, monkeypatch):
    def breaks():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    isolated = []

    def run_isolated(workload, case, effort, data_dir, timeout):
        isolated.append(case)
        raise CaseSkipped("there is no such device")

    monkeypatch.setattr("bench_core.execution.fixture.run_isolated", run_isolated)
    on_cpu, on_gpu = Case("gemm", batch_size=8, threads=1), Case("gemm", "cuda:0", batch_size=8)
    assert not session.isolates(on_gpu)
    for name in ("first", "second"):
        with pytest.raises(torch.AcceleratorError, match="device-side assert"):
            fixture(session, name)(breaks)
    with pytest.raises(CaseSkipped):
        fixture(session, on_gpu.id).case(on_gpu)
    assert fixture(session, on_cpu.id).case(on_cpu) is not None
    assert isolated == [on_gpu]
    (line,) = [line for line in session.closing_lines() if line.startswith("isolated: ")]
    assert "first failed with an error of the accelerator" in line


def test_only_the_first_warnings_are_printed(session):
    flags = tuple(Flag(FlagCode.CONTENTION, f"warning {i}") for i in range(MAX_WARNINGS + 2))
    session.note_record(factory.record(Case("gemm", batch_size=8), flags=flags))
    lines = session.closing_lines()
    assert lines[-2] == f"warning: gemm-cpu-b8-fp32-eager: warning {MAX_WARNINGS - 1}"
    assert lines[-1] == "and 2 more warnings, stored with their cases"
