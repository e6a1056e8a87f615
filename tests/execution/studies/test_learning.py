"""Time to accuracy: a correct training meets its target, a broken one does not, and only training is timed."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bench_core.execution.fixture  # noqa: F401 - imported here, the runs within this process find it loaded
from bench_core import workloads
from bench_core.core.case import Case, Sources
from bench_core.core.errors import RecordError
from bench_core.core.step import Step
from bench_core.core.studies import TimeToAccuracy
from bench_core.execution.studies import learning
from bench_core.execution.studies.learning import (
    TARGETS,
    AccuracyTarget,
    Batches,
    accuracy,
    held_out_batches,
    learning_summary,
    measure_time_to_accuracy,
    train_to_target,
)
from bench_core.storage import files
from bench_core.workloads.data.digits import STAND_IN, mnist, write_idx
from bench_core.workloads.dense import mlp
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.feeds import RESTORE_EVERY, epochs
from tests.support import factory
from tests.support.devices import FakeAsyncDevice, VirtualClock

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

CASE = Case("mlp_train", batch_size=64)
TARGET = AccuracyTarget("mlp_train", accuracy=0.8, batch_size=64, eval_interval=20, max_steps=300, expected=1)
SUITE = Path(__file__).parents[3] / "benchmarks/test_studies.py"
PLUGINS = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")  # hypothesis' takes a second to import
STUDY = """
import pytest
from bench_core.execution.studies.learning import learning_summary
from tests.support import factory

def test_mine(device_benchmark):
    device_benchmark(lambda: None)

@pytest.mark.parametrize(
    "workload", [pytest.param("mlp_train", marks=pytest.mark.bench_study("learning", workload="mlp_train", seconds=3,
    sweep="full"))]
)
def test_study(workload, bench_device, device_benchmark):
    device_benchmark.study(lambda sources: factory.learning((bench_device,))[:1], learning_summary)
"""


@pytest.fixture(scope="module")
def digits(one_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's different images, each once or twice: a folder as of real data, and quicker to prepare."""
    root = tmp_path_factory.mktemp("digits")
    (root / "MNIST/raw").mkdir(parents=True)
    (root / "MNIST/raw/digits-stand-in").touch()
    for part, count in (("train", 1540), ("t10k", 400)):
        stand_in = mnist(train=part == "train")
        write_idx(root / f"MNIST/raw/{part}-images-idx3-ubyte", stand_in.images[:count])
        write_idx(root / f"MNIST/raw/{part}-labels-idx1-ubyte", stand_in.labels[:count].astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def held_out(digits: Path) -> Batches:
    return held_out_batches(TARGET, CASE, Sources(data=digits))


@pytest.fixture
def one_core() -> Iterator[None]:
    """The study uses all usable cores, so there is one: see ``one_thread``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def full_epochs_step(data_dir: Path, case: Case = CASE) -> Step:
    """The step of a case as the study builds it."""
    return build(workloads.get(case.workload), case, sources=Sources(data=data_dir), full_epochs=True)


class TestTraining:
    def test_a_correct_training_meets_its_target(self, digits: Path, held_out: Batches) -> None:
        row = train_to_target(TARGET, CASE, full_epochs_step(digits), held_out)
        assert row.met
        assert TARGET.accuracy <= row.accuracy <= 1
        assert 0 < row.steps < TARGET.max_steps
        assert (row.steps % TARGET.eval_interval, row.units, row.test_size) == (0, 64 * row.steps, 257)
        assert (row.workload, row.device, row.threads, row.data) == ("mlp_train", "cpu", 1, STAND_IN)
        assert (row.target, row.eval_interval, row.stand_in) == (TARGET.accuracy, TARGET.eval_interval, True)

    def test_a_training_whose_optimizer_has_another_model_does_not(self, digits: Path, held_out: Batches) -> None:
        step = full_epochs_step(digits)
        (group,) = step.optimizers["model"].param_groups
        group["params"] = list(mlp.perceptron().parameters())
        row = train_to_target(TARGET, CASE, step, held_out)
        assert not row.met
        assert row.steps == TARGET.max_steps
        assert row.accuracy < 0.4

    def test_a_training_with_shuffled_labels_does_not(
        self, digits: Path, held_out: Batches, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = mnist(digits, train=True)
        order = torch.randperm(len(right.labels), generator=torch.Generator().manual_seed(0)).numpy()
        monkeypatch.setattr(mlp, "mnist", lambda *_, **__: replace(right, labels=right.labels[order]))
        row = train_to_target(TARGET, CASE, full_epochs_step(digits), held_out)
        assert not row.met
        assert row.steps == TARGET.max_steps
        assert row.accuracy < 0.4

    def test_it_is_not_restored_to_its_first_state(self, digits: Path) -> None:
        def late_loss(step: Step) -> float:
            for _ in range(RESTORE_EVERY):
                step()
            losses = [step() for _ in range(5)]
            assert all(isinstance(loss, torch.Tensor) for loss in losses)
            return sum(map(float, losses)) / 5  # type: ignore[arg-type]

        case = replace(CASE, batch_size=16)
        restored = workloads.build(case, sources=Sources(data=digits))
        assert late_loss(full_epochs_step(digits, case)) < 1.2 < 2 < late_loss(restored)

    def test_it_is_stopped_after_the_longest_time_allowed(self, digits: Path, held_out: Batches) -> None:
        slow = VirtualClock(tick=100.0)
        never = replace(TARGET, accuracy=1.0)
        row = train_to_target(never, CASE, full_epochs_step(digits), held_out, timer=slow)
        assert (row.met, row.steps) == (False, TARGET.eval_interval)
        assert row.seconds >= learning.MAX_SECONDS

    def test_only_training_is_timed_and_the_device_is_synchronized(self, monkeypatch: pytest.MonkeyPatch) -> None:
        time = VirtualClock()
        device = FakeAsyncDevice(time, name="cpu")
        accuracies = iter([0.3, 0.5, 0.85])

        def evaluate(model: nn.Module, batches: Batches) -> float:
            time.advance(1000.0)
            return next(accuracies)

        monkeypatch.setattr(learning, "accuracy", evaluate)
        monkeypatch.setattr(learning, "resolve", lambda names: (device,))
        monkeypatch.setattr(learning, "MAX_SECONDS", 1e6)
        step = Step(
            fn=lambda: device.submit(0.5),  # type: ignore[arg-type,return-value]
            units=64, flops=None, devices=("cpu",), data="none", modules={"model": nn.ReLU()},
        )  # fmt: skip
        row = train_to_target(TARGET, CASE, step, [(torch.zeros(1), torch.zeros(1))], timer=time)
        assert (row.seconds, row.steps, row.accuracy) == (60 * 0.5, 60, 0.85)

    @pytest.mark.usefixtures("one_core")
    def test_the_whole_study_on_the_named_data(self, digits: Path) -> None:
        row = measure_time_to_accuracy("mlp_train", "cpu", Sources(data=digits))
        assert (row.met, row.target, row.threads, row.data) == (True, TARGETS["mlp_train"].accuracy, 1, STAND_IN)


class TestData:
    def test_every_epoch_takes_all_rows_in_another_order_with_their_own_classes(self) -> None:
        rows = torch.arange(10)
        feed = epochs(rows * 1.5, rows, 3, BuildContext(CASE).rng)
        batches_of_epochs = [[next(feed) for _ in range(3)] for _ in range(20)]
        orders = [torch.cat([targets for _, targets in batches]).tolist() for batches in batches_of_epochs]
        assert all(torch.equal(inputs, targets * 1.5) for batches in batches_of_epochs for inputs, targets in batches)
        assert all(len(set(order)) == 9 for order in orders)
        assert len(set(map(tuple, orders))) == 20
        assert set().union(*orders) == set(range(10)), "some row is never used"

    def test_too_few_rows_for_a_batch_are_refused(self) -> None:
        with pytest.raises(ValueError, match="2 rows are too few for a batch of 3"):
            next(epochs(torch.zeros(2), torch.zeros(2), 3, BuildContext(CASE).rng))

    def test_all_rows_of_a_data_set_are_drawn_once(self) -> None:
        drawn = BuildContext(Case("mlp_train", batch_size=4), full_epochs=True).draw_rows(10, row_bytes=2**40)
        assert [len(rows) for rows in drawn] == [4, 4, 2]
        assert sorted(row for rows in drawn for row in rows) == list(range(10))

    def test_repeated_test_images_count_once_and_keep_their_classes(
        self, digits: Path, held_out: Batches, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(learning, "TEST_BATCH", 100)
        split = held_out_batches(TARGET, CASE, Sources(data=digits))
        assert [len(labels) for _, labels in split] == [100, 100, 57]
        ((images, labels),) = held_out
        assert torch.equal(torch.cat([part for part, _ in split]), images)
        test = mnist(digits, train=False)
        classes = {image.tobytes(): label for image, label in zip(test.images, test.labels, strict=True)}
        assert len(classes) == 257
        bytes_ = ((images[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
        assert [classes[image.tobytes()] for image in bytes_] == labels.tolist()

    @pytest.mark.parametrize("training", [True, False])
    def test_accuracy_is_that_in_evaluation_mode_and_leaves_the_model_as_it_was(self, training: bool) -> None:
        model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.5)).train(training)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        # By its running statistics (mean 0) the model changes nothing; those of the batch would turn half of these.
        images, labels = torch.tensor([[9.0, 1.0], [7.0, 2.0], [8.0, 5.0], [1.0, 2.0]]), torch.tensor([0, 0, 0, 0])
        assert accuracy(model, [(images[:3], labels[:3]), (images[3:], labels[3:])]) == 0.75
        assert model.training is training
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class TestStorage:
    @pytest.mark.parametrize(
        "change",
        [{"seconds": 0.0}, {"device": "fake"}, {"steps": 0}, {"accuracy": 1.2}, {"target": -0.1}, {"met": False}],
    )
    def test_impossible_figures_are_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(RecordError, match=rf"^{next(iter(change))}: "):
            factory.learning(("cpu",), **change)

    def test_only_a_full_sweep_makes_it_and_a_default_sweep_says_so(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(test_user=STUDY)
        run = (*PLUGINS, "--bench-device", "cpu", "--bench-max-time", "0.02", "-W", "error")
        default = pytester.runpytest_inprocess(*run)
        default.assert_outcomes(passed=1, deselected=1)
        default.stdout.fnmatch_lines(
            ["skipped: measured with --bench-study learning or --bench-sweep full: learning (1 study)"]
        )
        full = pytester.runpytest_inprocess(*run, "--bench-sweep", "full", "--benchmark-autosave")
        full.assert_outcomes(passed=2)
        full.stdout.fnmatch_lines(["*] learning-mlp_train-cpu *91.1% after 150 steps, 105 ms*"])
        full.stdout.no_fnmatch_line("*skipped: learning*")
        (path,) = pytester.path.rglob("0001_*.json")
        stored = files.load(path).info
        assert stored.rows(TimeToAccuracy) == factory.learning(("cpu",))[:1]
        assert stored.studied == ("learning-mlp_train-cpu",)
        other = pytester.runpytest_inprocess(*run, "--bench-workload", "gemm")
        other.stdout.no_fnmatch_line("*skipped: learning*")

    def test_the_suite_has_a_study_for_each_target(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(test_copied=SUITE.read_text())
        listing = ("--collect-only", "-q", "--bench-sweep", "full", "--bench-device", "cpu", "-k", "learning")
        result = pytester.runpytest_inprocess(*PLUGINS, *listing)
        assert [line for line in result.outlines if "::" in line] == [
            f"test_copied.py::test_learning[cpu-{name}]" for name in TARGETS
        ]
        assert set(TARGETS) <= set(workloads.names())

    def test_the_summary_says_when_the_target_was_missed(self) -> None:
        missed = factory.learning(("cpu",), accuracy=0.123, met=False)[:1]
        assert learning_summary(missed) == "12.3% after 150 steps, 105 ms (target of 90% not reached)"
