"""Stages: how they are timed, stored, listed and shown."""

from pathlib import Path

import factory
import pytest

from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import Record
from bench_core.core.results import Stages
from bench_core.core.step import Step
from bench_core.execution.options import parse
from bench_core.execution.runner import Effort, run_case
from bench_core.execution.session import BenchSession
from bench_core.report.content import content, findings
from bench_core.report.sections.pipelines import NAME
from bench_core.storage import files
from bench_core.timing.stages import FEWEST, time_stages
from bench_core.workloads.kit.sweep import Sweep, candidates

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")


class Bench:
    """A clock and a device in one: work given to the device takes its time when somebody waits for it."""

    name = "fake:0"

    def __init__(self):
        self.now = self.pending = 0.0

    def __call__(self):
        return self.now

    def synchronize(self):
        self.now, self.pending = self.now + self.pending, 0.0

    def computes(self, seconds):
        self.now += seconds

    def gives(self, seconds):
        self.pending += seconds


def step_of(stages, whole, rounds=1):
    return Step(fn=whole, units=1, flops=None, devices=("fake:0",), data="none", stages=stages, rounds=rounds)


def test_stages_are_waited_for_and_summed_over_the_rounds_of_a_call():
    bench = Bench()
    stages = {"load": lambda: bench.computes(0.002), "compute": lambda: bench.gives(0.003)}
    step = step_of(stages, lambda: bench.computes(0.05), rounds=10)
    found = time_stages(step, bench, max_time=1.05, timer=bench)
    assert found.seconds == pytest.approx({"load": 0.02, "compute": 0.03})
    assert found.whole == pytest.approx(0.05)
    assert found.share == pytest.approx(1.0)
    assert found.warnings() == ()
    assert found.repeats == 10


def test_slow_work_is_repeated_thrice_at_least_and_whole_and_stages_take_turns():
    bench, order = Bench(), []

    def works(name):
        order.append(name)
        bench.computes(5.0)

    found = time_stages(step_of({"s": lambda: works("s")}, lambda: works("w")), bench, max_time=1.0, timer=bench)
    assert found.repeats == FEWEST
    assert "".join(order) == "wsswws"


def test_a_spike_does_not_move_the_figures():
    bench, calls = Bench(), iter(range(1000))
    step = step_of({"s": lambda: bench.computes(9.0 if next(calls) == 1 else 0.1)}, lambda: bench.computes(0.1))
    assert time_stages(step, bench, max_time=1.0, timer=bench).share == pytest.approx(1.0)


def test_stages_of_which_another_one_is_slow_each_time_still_add_up_to_all_together():
    bench, calls = Bench(), iter(range(1000))

    def part(nth):
        slow = next(calls) // 3 % 3 == nth
        bench.computes(3.0 if slow else 0.5)

    step = step_of({name: lambda n=n: part(n) for n, name in enumerate("abc")}, lambda: bench.computes(4.0))
    found = time_stages(step, bench, max_time=1.0, timer=bench)
    assert found.share == pytest.approx(1.0)
    assert found.seconds == pytest.approx(dict.fromkeys("abc", 4.0 / 3))


def test_stages_that_do_not_add_up_are_flagged_in_words():
    assert "take 125% of a whole call (they overlap" in Stages({"a": 1.0, "b": 0.25}, 1.0, 3).warnings()[0]
    assert "take 90% of a whole call" in Stages({"a": 0.9}, 1.0, 3).warnings()[0]
    assert Stages({"a": 1.04}, 1.0, 3).warnings() == ()


def test_a_step_without_stages_is_refused():
    with pytest.raises(ValueError, match="no stages"):
        time_stages(step_of({}, lambda: None), "cpu")


@pytest.mark.parametrize(
    "spoilt", [({"a": float("nan")}, 1.0, 3), ({"a": -1.0}, 1.0, 3), ({}, 1.0, 3), ({"a": 1.0}, 0.0, 3)]
)
def test_figures_that_are_none_are_refused(spoilt):
    with pytest.raises(RecordError):
        Stages(*spoilt)


def test_a_case_with_stages_is_stored_with_them():
    case = Case("csv_loader", batch_size=1024, threads=1)
    _, record = run_case(case, Effort(max_time=0.1))
    assert list(record.stages.seconds) == ["read", "scale", "batch", "transfer"]
    assert record.stages.repeats >= FEWEST
    assert files.decode(Record, files.encode(record), "here").stages == record.stages


def test_records_of_before_stages_can_be_read():
    data = files.encode(factory.record(Case("w")))
    del data["stages"]
    assert files.decode(Record, data, "here").stages is None


def test_where_pipelines_spend_their_time_is_shown():
    made = content(findings([factory.run([*factory.sweep(), *factory.pipeline()])]))
    (study,) = (study for study in made.studies if study.name == NAME)
    (table,), (plot,) = study.tables, study.plots
    assert table.headings[3:] == ("Load", "Transfer", "Compute", "Whole", "Sum / whole", "Repeats")
    by_setting = {(row[0], row[1]): row[3:] for row in table.rows}
    assert by_setting["CPU, 16 threads", "w0"][0] == "16.7 µs (60.0%)"
    assert by_setting["CPU, 16 threads", "resident"][1] == "–"
    assert by_setting["GPU", "w2"][-2] == "125.0%"
    assert plot in made.plots
    assert [bar.label for bar in plot.chart.bars][:2] == ["w0, CPU, 16 threads", "w2, CPU, 16 threads"]
    assert NAME not in {study.name for study in content(findings([factory.run()])).studies}


class TestSweep:
    def test_what_needs_a_gpu_is_a_recorded_skip_with_its_reason(self, monkeypatch):
        monkeypatch.setattr("bench_core.device.cuda_absence", lambda: "torch sees no CUDA device")
        session = BenchSession(parse({"device": "cpu"}, Path()))
        session.plan(session.cases_of("pipeline"), 0, None, {})
        lines = session.closing_lines()
        assert "skipped: transfer (20 cases): needs a CUDA device: torch sees no CUDA device" in lines
        assert "skipped: model_parallel_toy (2 cases): needs a CUDA device: torch sees no CUDA device" in lines
        (pinned,) = [line for line in lines if "pinned" in line]
        assert "need a CUDA device" in pinned
        (full,) = [line for line in lines if "mnist_epoch_e2e in a full sweep" in line]
        assert "w2-cpu-b64" in full
        assert "pil-w4-cpu-b64" in full
        assert "resident-cpu-b64-fp32-eager," not in full
        entries = session.info(Path()).not_run
        assert {"transfer (20 cases)", "model_parallel_toy (2 cases)"} <= {entry.what for entry in entries}

    def test_settings_of_a_full_sweep(self):
        w = workloads.get("mnist_epoch_e2e")
        default = {case.setting for case in candidates(w, Sweep(devices=("cpu",), usable_cpus=1))}
        full = {case.setting for case in candidates(w, Sweep(devices=("cpu",), usable_cpus=1, kind="full"))}
        assert default == {"w0", "resident", *w.gpu_settings}
        assert full == set(w.settings)

    def test_copies_are_measured_at_every_size_both_ways(self):
        cases = candidates(workloads.get("transfer"), Sweep(devices=("cpu", "cuda"), usable_cpus=2))
        assert {case.device for case in cases} == {"cuda"}
        assert len(cases) == 4 * 5
