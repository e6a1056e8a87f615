"""The ladder: what each rung times, that a fake device's time is never stored, and how its rows get into a run."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import bench_core.execution.fixture  # noqa: F401 - imported here, the runs within this process find it loaded
from bench_core import workloads
from bench_core.core.case import Case, Sources
from bench_core.core.errors import CaseSkipped, RecordError
from bench_core.core.studies import LadderRung
from bench_core.execution.runner import threads
from bench_core.execution.studies import fresh, ladder
from bench_core.execution.studies.ladder import (
    AS_IN_TUTORIALS,
    LOADER_OUT,
    OWN_OPTIMIZER,
    REPEATED,
    RUNGS,
    Reading,
    Rung,
    ladder_summary,
    time_rung,
)
from bench_core.execution.studies.tutorial import BATCH, WORKLOAD, DigitsTraining
from bench_core.storage import files
from bench_core.workloads.data.digits import write_idx
from tests.support import factory
from tests.support.counters import Counters
from tests.support.devices import FakeAsyncDevice, FakeTraining, VirtualClock

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 20
STUDY = """
import pytest
from bench_core.execution.studies.ladder import ladder_summary
from tests.support import factory

def test_mine(device_benchmark):
    device_benchmark(lambda: None)

@pytest.mark.bench_study("ladder", workload="mlp_train", seconds=3)
def test_study(bench_device, device_benchmark):
    device_benchmark.study(lambda sources: factory.ladder((bench_device,)), ladder_summary)
"""


def time_fake(rung: Rung, training: FakeTraining, steps: int = STEPS) -> Reading:
    """Time a fake training as a rung does, in virtual time."""
    return time_rung(rung, training, training.device, steps, max_time=600.0, timer=training.clock)


class TestFakeDevice:
    """On a device that works asynchronously, only rungs that synchronize see its time."""

    WORK = 0.05

    def training(self) -> FakeTraining:
        """All work is the device's; the host only launches it."""
        return FakeTraining(
            place_cost=0.0, first_cost=0.0, load_cost=0.0, launch_cost=self.WORK / 100, copy_cost=0.0,
            train_cost=self.WORK, update_cost=0.0,
        )  # fmt: skip

    @pytest.mark.parametrize("rung", [AS_IN_TUTORIALS, OWN_OPTIMIZER], ids=lambda rung: rung.name)
    def test_without_synchronize_only_the_launches_are_timed(self, rung: Rung) -> None:
        training = self.training()
        reading = time_fake(rung, training)
        assert reading.seconds == pytest.approx(2 * self.WORK / 100), "to launch the copy and the training"
        assert training.device.submitted == 2 * STEPS

    def test_the_last_rung_reports_the_true_time(self) -> None:
        reading = time_fake(REPEATED, self.training())
        assert reading.seconds == pytest.approx(1.01 * self.WORK)
        assert reading.interval == pytest.approx((reading.seconds, reading.seconds))

    def test_its_time_cannot_be_stored(self) -> None:
        device = FakeAsyncDevice(VirtualClock())
        with pytest.raises(RecordError, match="'fake' is not a real device; there are: cpu, cuda"):
            ladder.stored(REPEATED, Reading(1e-3, None, 1), device, "none")

    def test_a_stored_row_of_a_fake_device_cannot_be_read(self) -> None:
        (first, *others) = factory.ladder(("cpu",))
        data = files.encode(factory.run(ladder=(first, *others)).info)
        data["studies"]["ladder"][0]["device"] = "fake"
        with pytest.raises(RecordError, match=r"ladder\[0\]\.device: 'fake' is not a real device"):
            files.decode_run(data, "file").rows(LadderRung)


class TestRungs:
    """What each rung times, by a training whose every part takes a known time."""

    def seconds(self, rung: Rung) -> float:
        training = FakeTraining()
        reading = time_fake(rung, training)
        assert training.device.idle, "no work is left in the queue"
        assert training.optimizers_used == {rung != AS_IN_TUTORIALS}
        if not rung.repeated:
            assert (reading.interval, reading.steps) == (None, STEPS)
        return reading.seconds

    def test_every_rung_keeps_the_corrections_before_it_and_adds_one(self) -> None:
        corrections = ("own_optimizer", "synchronized", "warm", "loader_out", "resident", "repeated")
        corrected = [{name for name in corrections if getattr(rung, name)} for rung in RUNGS]
        assert corrected[0] == set()
        assert corrected[-1] == set(corrections)
        assert all(before < after and len(after - before) == 1 for before, after in pairwise(corrected))
        assert len(corrected) == len(corrections) + 1

    def test_each_times_what_it_says_and_no_more(self) -> None:
        t, n = FakeTraining(), STEPS
        host = t.load_cost + 2 * t.launch_cost
        trained = t.train_cost + t.update_cost
        step = t.copy_cost + trained
        first = t.load_cost + t.launch_cost  # the device waits for its first work
        expected = {
            "as in tutorials": (t.place_cost + t.first_cost) / n + host,
            "own optimizer": (t.place_cost + t.first_cost) / n + host,
            "synchronize": (t.place_cost + t.first_cost + first + n * step) / n,
            "warm-up": (first + n * step) / n,
            "loader taken out": (t.launch_cost + n * step) / n,
            "inputs resident": (t.launch_cost + n * trained) / n,
            "repeated": t.launch_cost + trained,  # so slow a step is a block of its own
        }
        assert {rung.name: self.seconds(rung) for rung in RUNGS} == pytest.approx(expected)

    def test_a_loader_that_ends_early_counts_only_the_steps_it_allowed(self) -> None:
        training = FakeTraining(batches=3)
        assert time_fake(OWN_OPTIMIZER, training).steps == 3


Trained = tuple[bool, list[torch.Tensor], Sequence[torch.Tensor]]


def gradient_of(model: torch.nn.Module) -> torch.Tensor:
    """A copy of the gradient of the first layer's weights."""
    gradient = next(model.parameters()).grad
    assert gradient is not None
    return gradient.clone()


class TestTutorial:
    """The training itself, on the CPU and on few images."""

    @pytest.fixture(scope="class")
    @classmethod
    def digits(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        root = tmp_path_factory.mktemp("digits")
        (root / "MNIST/raw").mkdir(parents=True)
        classes = np.arange(3 * BATCH, dtype=np.uint8) % 10
        for part in ("train", "t10k"):
            images = np.tile((classes * 25)[:, None, None], (28, 28))
            images[:, 0, 0] = 255
            write_idx(root / f"MNIST/raw/{part}-images-idx3-ubyte", images)
            write_idx(root / f"MNIST/raw/{part}-labels-idx1-ubyte", classes)
        return root

    @pytest.fixture
    def one_core(self) -> Iterator[None]:
        """The processes that this one starts use one core: see ``one_thread``."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        yield
        os.sched_setaffinity(0, before)

    def train_twice(self, digits: Path, own_optimizer: bool) -> Trained:
        """Two steps on the same batch: whether weights changed, the first layer's gradients, and the batch."""
        training = DigitsTraining("cpu", Sources(data=digits))
        before = [p.detach().clone() for p in training.model.parameters()]
        batch = training.copy(next(iter(training.loader())))
        gradients = []
        for _ in range(2):
            training.train(batch, own_optimizer)
            gradients.append(gradient_of(training.model))
        changed = any(not torch.equal(a, b) for a, b in zip(before, training.model.parameters(), strict=True))
        return changed, gradients, batch

    def test_with_another_models_optimizer_nothing_is_learned_and_gradients_add_up(self, digits: Path) -> None:
        changed, (first, second), (images, labels) = self.train_twice(digits, own_optimizer=False)
        assert not changed
        torch.testing.assert_close(second, 2 * first)
        assert (tuple(images.shape), tuple(labels.shape)) == ((BATCH, 1, 28, 28), (BATCH,))

    def test_with_its_own_optimizer_it_learns(self, digits: Path) -> None:
        changed, (first, second), _ = self.train_twice(digits, own_optimizer=True)
        assert changed
        assert second.norm() < 1.5 * first.norm()

    def test_it_is_the_workloads_training(self, digits: Path) -> None:
        ours = DigitsTraining("cpu", Sources(data=digits))
        theirs = workloads.build(Case(WORKLOAD, batch_size=BATCH), sources=Sources(data=digits))
        assert [p.shape for p in ours.model.parameters()] == [p.shape for p in theirs.modules["model"].parameters()]
        assert ours.optimizers[True].defaults == theirs.optimizers["model"].defaults
        assert ours.data == theirs.data
        images, _ = next(iter(ours.loader()))
        assert (float(images.min()), float(images.max())) == (-1.0, 1.0)

    @pytest.mark.usefixtures("one_core")
    def test_the_whole_ladder_runs_in_fresh_processes_on_the_named_data(self, digits: Path) -> None:
        rungs = ladder.run_ladder("cpu", Sources(data=digits), steps=3, max_time=0.05)
        assert [rung.rung for rung in rungs] == [rung.name for rung in RUNGS]
        assert {(rung.device, rung.data) for rung in rungs} == {("cpu", "MNIST")}
        assert [(rung.steps, rung.interval) for rung in rungs[:-1]] == [(3, None)] * 6

    @pytest.mark.parametrize(("switches", "contended"), [(10**6, True), (0, False)])
    def test_a_rung_beside_other_work_is_marked(
        self, digits: Path, counters: Counters, switches: int, contended: bool
    ) -> None:
        counters(switches)
        with threads(1):  # afterwards as many as before
            rung = ladder.run_rung(LOADER_OUT, "cpu", Sources(data=digits), steps=3, max_time=0.02)
        assert (rung.rung, rung.contended) == ("loader taken out", contended)

    def test_a_system_that_cannot_fork_skips_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fresh, "get_all_start_methods", lambda: ["spawn"])
        with pytest.raises(CaseSkipped, match="this system cannot fork"):
            ladder.run_ladder("cpu")

    def test_a_failure_of_the_process_is_reported_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\necho Traceback >&2; echo 'ValueError: no MNIST here' >&2; exit 1\n")
        broken.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(broken))
        with pytest.raises(RuntimeError, match=r"^the ladder on cpu failed: ValueError: no MNIST here$"):
            ladder.run_ladder("cpu")


def test_summary_of_a_ladder_beside_other_work_draws_no_conclusion() -> None:
    rungs = factory.ladder(("cpu",))
    assert ladder_summary(rungs) == "7.20 ms as in tutorials, 570 µs in truth"
    busy = (*rungs[:-1], replace(rungs[-1], contended=True))
    assert ladder_summary(busy) == (
        "7.20 ms as in tutorials, 570 µs repeated; measured beside other work, so no conclusion"
    )


class TestStorage:
    def test_a_run_without_a_ladder_can_be_read(self, tmp_path: Path) -> None:
        path = factory.store(factory.run(), tmp_path / "0001_run.json")
        document = json.loads(path.read_text())
        del document[files.KEY]["studies"]
        path.write_text(json.dumps(document))
        assert files.load(path).info.rows(LadderRung) == ()

    @pytest.mark.parametrize("change", [{"seconds": 0.0}, {"seconds": float("nan")}, {"interval": (2.0, 3.0)}])
    def test_impossible_figures_are_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(RecordError, match=next(iter(change))):
            factory.ladder(("cpu",), **change)

    def test_a_study_is_stored_with_its_run_and_not_counted_as_a_case(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(test_user=STUDY)
        plugins = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")  # hypothesis' takes a second to import
        run = (*plugins, "--bench-device", "cpu", "--bench-max-time", "0.02")
        result = pytester.runpytest_inprocess(*run, "--benchmark-autosave", "-W", "error")
        result.assert_outcomes(passed=2)
        summary = ladder_summary(factory.ladder(("cpu",)))
        assert "7.20 ms as in tutorials" in summary
        assert "570 µs" in summary
        result.stdout.fnmatch_lines(["*1 study on cpu*, about 3 s", f"*ladder-cpu*{summary}*"])
        (path,) = pytester.path.rglob("0001_*.json")
        stored = files.load(path)
        assert stored.info.rows(LadderRung) == factory.ladder(("cpu",))
        assert stored.info.studied == ("ladder-cpu",)
        assert (stored.info.planned, len(stored.records), stored.info.partial) == (1, 1, False)
        pytester.runpytest_inprocess(*run, "--bench-workload", "gemm", "-k", "study").assert_outcomes(deselected=2)
        pytester.runpytest_inprocess(*run, "--benchmark-disable").assert_outcomes(passed=1, skipped=1)
        alone = pytester.runpytest_inprocess(*run, "-k", "study")
        alone.stdout.fnmatch_lines(["not stored: ladder: *"])
        assert len(list(pytester.path.rglob("*.json"))) == 1
