"""Stages of pipelines: flagged where they do not add up, stored with their case, and planned by a sweep."""

from pathlib import Path

import pytest

from bench_core import workloads
from bench_core.core.case import Case, Effort
from bench_core.core.results import Contention, Flag, FlagCode, Measurement, Stages
from bench_core.execution.flags import flags_of
from bench_core.execution.messages import closing
from bench_core.execution.options import parse
from bench_core.execution.runner import run_case
from bench_core.execution.session import BenchSession
from bench_core.storage import files
from bench_core.timing.sampling import measure
from bench_core.timing.stages import MIN_REPEATS
from bench_core.workloads.kit.sweep import Sweep, candidates
from tests.support import factory
from tests.support.devices import FakeAsyncDevice, VirtualClock

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

CALM = Contention(seconds=1.0, involuntary_switches=0, stolen=0.0, load_before=0.0)


@pytest.fixture(scope="module")
def calm_measurement() -> Measurement:
    """A measurement without warnings of its own."""
    time = VirtualClock(tick=1e-8)
    return measure(lambda: time.advance(1e-3), FakeAsyncDevice(time), timer=time)


class TestFlags:
    def flags(self, m: Measurement, stages: Stages) -> tuple[Flag, ...]:
        return flags_of(Case("mlp_train"), m, CALM, stages, None)

    def test_stages_that_overlap_are_flagged(self, calm_measurement: Measurement) -> None:
        (flag,) = self.flags(calm_measurement, Stages({"a": 1.0, "b": 0.25}, 1.0, 3))
        assert flag.code == FlagCode.STAGES_DO_NOT_ADD_UP
        assert "take 125% of a whole call (they overlap" in flag.text

    def test_stages_that_take_less_than_a_whole_call_are_flagged(self, calm_measurement: Measurement) -> None:
        (flag,) = self.flags(calm_measurement, Stages({"a": 0.9}, 1.0, 3))
        assert flag.code == FlagCode.STAGES_DO_NOT_ADD_UP
        assert "take 90% of a whole call" in flag.text
        assert "overlap" not in flag.text

    def test_stages_within_the_tolerance_are_not_flagged(self, calm_measurement: Measurement) -> None:
        assert self.flags(calm_measurement, Stages({"a": 1.04}, 1.0, 3)) == ()


class TestStorage:
    def test_a_case_with_stages_is_stored_with_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench_core.workloads.pipelines.csv_loader.ROWS", 500)
        case = Case("csv_loader", batch_size=1024, threads=1)
        _, record = run_case(workloads.get(case.workload), case, Effort(max_time=0.02))
        assert record.stages is not None
        assert list(record.stages.seconds) == ["read", "scale", "batch", "transfer"]
        assert record.stages.repeats >= MIN_REPEATS
        assert files.decode_record(files.encode(record), "here").stages == record.stages

    def test_a_record_from_before_there_were_stages_can_be_read(self) -> None:
        data = files.encode(factory.record(Case("w")))
        del data["stages"]
        assert files.decode_record(data, "here").stages is None


class TestSweep:
    def test_what_needs_a_gpu_is_a_stored_skip_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench_core.hardware.device.absence", lambda _: "torch sees no CUDA device")
        monkeypatch.setattr("bench_core.hardware.machine.usable_cpus", lambda: 2)
        session = BenchSession(parse({"device": "cpu"}, Path()))
        session.plan(session.selection.cases_of("pipeline"), 0, [], {})
        lines = closing(session)
        (absent,) = [line for line in lines if "torch sees no CUDA device: " in line and line.startswith("skipped")]
        assert absent.endswith("model_parallel_toy (2 cases); transfer (20 cases)")
        (pinned,) = [line for line in lines if "pinned" in line]
        assert "need a CUDA device" in pinned
        (heavy,) = [line for line in lines if "too heavy by default" in line]
        assert "mnist_epoch_e2e (40 cases)" in heavy
        entries = session.info(Path()).not_run
        assert {"transfer (20 cases)", "model_parallel_toy (2 cases)"} <= {entry.what for entry in entries}

    def test_a_default_sweep_has_few_settings_and_a_full_one_all(self) -> None:
        w = workloads.get("mnist_epoch_e2e")
        default = {case.setting for case in candidates(w, Sweep(devices=("cpu",), usable_cpus=1))}
        full = {case.setting for case in candidates(w, Sweep(devices=("cpu",), usable_cpus=1, kind="full"))}
        assert default == {"w0", "resident", *w.gpu_settings}
        assert full == set(w.settings)

    def test_copies_are_measured_at_every_size_both_ways(self) -> None:
        cases = candidates(workloads.get("transfer"), Sweep(devices=("cpu", "cuda"), usable_cpus=2))
        assert {case.device for case in cases} == {"cuda"}
        assert len(cases) == 4 * 5
