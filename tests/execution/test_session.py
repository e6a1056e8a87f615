"""A benchmark run without pytest: the session, and the fixture with a stand-in for pytest-benchmark's."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pytest_benchmark.stats import Stats

from bench_core import workloads
from bench_core.core.case import Case, Effort, Sources
from bench_core.core.errors import CaseSkipped
from bench_core.core.records import Outcome
from bench_core.core.results import Flag, FlagCode
from bench_core.core.studies import LadderRung
from bench_core.execution.fixture import DeviceBenchmark
from bench_core.execution.messages import closing, opening
from bench_core.execution.options import parse
from bench_core.execution.schedule import Cost, Planned, Schedule
from bench_core.execution.session import BenchSession
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
        self.stats = SimpleNamespace(stats=Stats())

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
    cases = session.selection.cases_of()
    session.plan(cases, 0, [], {})
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
    (case, _) = session.selection.cases_of()
    device_benchmark = fixture(session, case.id, notes=notes)
    measurement = device_benchmark.case(case)
    assert device_benchmark.benchmark.rounds == list(measurement.samples)
    assert list(device_benchmark.benchmark.extra_info) == [files.KEY]
    assert len(notes) == 1


def test_where_benchmarks_are_disabled_a_case_is_called_once_and_a_study_is_skipped(session):
    notes: list[str] = []
    (case, _) = session.selection.cases_of()
    assert fixture(session, case.id, disabled=True, notes=notes).case(case) is None
    assert notes == ["called once, as benchmarks are disabled"]
    calls = []
    assert fixture(session, "own", disabled=True)(lambda: calls.append(1)) is None
    assert calls == [1]
    with pytest.raises(CaseSkipped, match="disabled"):
        fixture(session, "ladder-cpu", disabled=True).study(lambda sources: (), str)
    assert session.recorded == 0
    assert session.info(Path()).studied == ()


def test_rows_of_a_study_are_the_same_before_and_after_they_are_stored(session):
    rows = factory.ladder(("cpu",))
    notes: list[str] = []
    given = []

    def run(sources):
        given.append(sources)
        return rows[-2:]

    fixture(session, "ladder-cpu", notes=notes).study(run, lambda measured: f"{len(measured)} rungs")
    fixture(session, "ladder-again").study(lambda sources: rows[:1], str)
    info = session.info(Path())
    assert given == [Sources()]
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
    assert [line for line in closing(session) if line.startswith("not stored: ladder: ")]
    session.note_record(factory.record(Case("gemm")), Effort())
    assert not [line for line in closing(session) if line.startswith("not stored")]


def test_a_family_swept_twice_is_noted_once(tmp_path):
    session = BenchSession(parse({**QUICK, "variant": "channels_last", "workload": "gemm"}, tmp_path))
    first, second = session.selection.cases_of(), session.selection.cases_of("gemm")
    assert first == second == []
    (entry,) = session.info(tmp_path).not_run
    assert entry.what == f"gemm ({len(GEMM.batch_sizes('cpu'))} cases)"
    assert "no variant 'channels_last'" in entry.reason


def test_a_run_is_partial_until_every_planned_case_is_done_or_if_it_was_stopped(session):
    cases = session.selection.cases_of()
    session.plan(cases, 0, [], {})
    session.progress_line(cases[0].id, "done")
    assert session.info(Path()).partial
    session.progress_line(cases[1].id, "done")
    assert not session.info(Path()).partial
    session.stopped = True
    assert session.info(Path()).partial


def test_cases_take_as_long_as_in_the_newest_run_that_can_be_read(session, tmp_path):
    cases = session.selection.cases_of()
    for number, seconds in ((1, 1000.0), (2, 400.0)):
        slow = [factory.record(case, wall_seconds=seconds) for case in cases]
        factory.store(factory.run(slow, SYNTHETIC_CPU), tmp_path / "stored" / f"000{number}_run.json")
    (tmp_path / "stored" / "0003_broken.json").write_text("{")
    session.plan(cases, 0, [tmp_path / "none", tmp_path / "stored"], {"ladder-cpu": 100.0})
    first = opening(session)[0]
    assert first.startswith("2 cases and 1 study on cpu")
    assert first.endswith("about 15 min")


def request(tmp_path, **given):
    return parse({"device": "cpu", **given}, tmp_path)


def test_studies_belong_to_a_sweep_of_everything(tmp_path):
    everything = BenchSession(request(tmp_path)).selection
    assert everything.takes_study("ladder", "mlp_train", "default")
    assert not everything.takes_study("learning", "gemm", "full")
    assert not everything.takes_study("course", "mlp_train", "")
    everything.note_absences([])
    entry, other = [entry for entry in everything.left_out if entry.study]
    assert (entry.what, entry.outcome, entry.study) == ("learning (1 study)", Outcome.SKIPPED, "learning")
    assert entry.reason == "measured with --bench-study learning or --bench-sweep full"
    assert (other.what, other.reason) == ("course (1 study)", "measured with --bench-study course")
    full = BenchSession(request(tmp_path, sweep="full")).selection
    assert full.takes_study("learning", "gemm", "full")
    assert not full.takes_study("course", "mlp_train", "")


def test_a_study_on_request_is_made_only_if_it_is_asked_for(tmp_path):
    assert BenchSession(request(tmp_path, study="course")).selection.takes_study("course", "mlp_train", "")
    assert not BenchSession(request(tmp_path, study="ladder")).selection.takes_study("course", "mlp_train", "")


@pytest.mark.parametrize("narrower", [{"workload": "mlp_train"}, {"batch_size": "64"}, {"dtype": "bf16"}])
def test_a_narrower_sweep_has_no_study_unless_it_is_asked_for(narrower, tmp_path):
    assert not BenchSession(request(tmp_path, **narrower)).selection.takes_study("ladder", "mlp_train", "default")
    asked = BenchSession(request(tmp_path, **narrower, study="ladder")).selection
    assert asked.takes_study("ladder", "mlp_train", "default")
    assert not asked.takes_study("learning", "mlp_train", "full")


def test_a_study_asked_for_is_made_of_the_workloads_asked_for(tmp_path):
    asked = BenchSession(request(tmp_path, workload="gemm,mlp_train", study="learning")).selection
    assert asked.takes_study("learning", "mlp_train", "full")
    assert not asked.takes_study("learning", "cnn_mnist_train", "full")


def test_a_case_for_which_no_time_is_left_is_not_run(session):
    cases = session.selection.cases_of()
    session.plan(cases, 0, [], {})
    session.schedule = Schedule({case.id: Planned(Cost(), 1.0) for case in cases}, {}, 60.0, clock=lambda: 60.0)
    with pytest.raises(CaseSkipped, match="no time was left"):
        fixture(session, cases[0].id).case(cases[0])
    session.note_not_run(cases[0].id, Outcome.SKIPPED, "what pytest says of it")
    (entry,) = session.info(Path()).not_run
    assert (entry.what, entry.outcome) == (cases[0].id, Outcome.NOT_RUN)


def test_warnings_are_counted_by_kind(session):
    flags = (Flag(FlagCode.NOT_STEADY, "not steady: why"), Flag(FlagCode.CONTENTION, "busy"))
    for batch in (1, 2):
        case = Case("gemm", batch_size=batch)
        session.note_record(factory.record(case, flags=flags if batch == 1 else flags[:1]), Effort())
    lines = closing(session)
    assert [line for line in lines if line.startswith("1 of 2 cases was measured beside other work, so no")]
    assert [line for line in lines if line.startswith("not steady at the end of warm-up: 2 cases (gemm-")]


def test_a_busy_machine_is_said_once_in_one_line(session):
    flags = (Flag(FlagCode.CONTENTION, "busy"),)
    for batch in range(1, 101):
        session.note_record(factory.record(Case("gemm", batch_size=batch), flags=flags), Effort())
    lines = closing(session)
    (line,) = [line for line in lines if "other work" in line]
    assert line.startswith("busy machine: 100 of 100 cases were measured beside other work")


def test_what_is_left_out_for_one_reason_is_one_line(session):
    for number in range(3):
        session.note_not_run(f"case {number}", Outcome.FAILED, "the reason")
    assert [line for line in closing(session) if "the reason" in line] == ["failed: the reason: case 0; case 1; case 2"]


def test_cases_are_isolated_on_request(session, tmp_path):
    (case, _) = session.selection.cases_of()
    assert not session.isolates(case)
    assert BenchSession(parse({**QUICK, "timeout": "30"}, tmp_path)).isolates(case)


def test_once_an_error_has_broken_the_accelerator_its_cases_are_isolated_and_the_cpus_are_not(session, monkeypatch):
    def breaks():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    isolated = []

    def run_isolated(workload, case, effort, sources, timeout):
        isolated.append(case)
        raise CaseSkipped("there is no such device")

    monkeypatch.setattr("bench_core.execution.measuring.run_isolated", run_isolated)
    on_cpu, on_gpu = Case("gemm", batch_size=8, threads=1), Case("gemm", "cuda:0", batch_size=8)
    assert not session.isolates(on_gpu)
    for name in ("first", "second"):
        with pytest.raises(torch.AcceleratorError, match="device-side assert"):
            fixture(session, name)(breaks)
    with pytest.raises(CaseSkipped):
        fixture(session, on_gpu.id).case(on_gpu)
    assert fixture(session, on_cpu.id).case(on_cpu) is not None
    assert isolated == [on_gpu]
    (line,) = [line for line in closing(session) if line.startswith("isolated: ")]
    assert "first failed with an error of the accelerator" in line


def test_where_the_run_is_stored_and_how_to_see_it_comes_last_of_what_was_measured(session):
    session.note_record(factory.record(Case("gemm")), Effort())
    below = closing(session, Path("results/machine/id/0001_run.json"))
    assert "stored: results/machine/id/0001_run.json" in below
    assert "to see it: python -m bench_core report" in below
    elsewhere = closing(session, Path("/another folder/0001_run.json"))
    assert "to see it: python -m bench_core report '/another folder'" in elsewhere
