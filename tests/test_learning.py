"""Learning: a right training meets its goal, a broken one does not, only training is timed; its section of the page."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import factory
import pytest
import torch
from test_report import Page
from torch import nn

import bench_core.execution.fixture  # noqa: F401 - imported here, the runs within this process find it loaded
from bench_core import workloads
from bench_core.core import records
from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.step import Step
from bench_core.execution.studies import learning
from bench_core.execution.studies.learning import (
    TARGETS,
    AccuracyTarget,
    accuracy,
    held_out_batches,
    in_words,
    learn,
    train_to_target,
)
from bench_core.report import write
from bench_core.report.content import content, findings
from bench_core.report.sections.learning import NAME
from bench_core.storage import files
from bench_core.workloads.data import digits
from bench_core.workloads.data.digits import STAND_IN, mnist, write_idx
from bench_core.workloads.dense import mlp
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.feeds import RESTORE_EVERY, epochs

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

CASE = Case("mlp_train", batch_size=64)
GOAL = AccuracyTarget("mlp_train", target=0.8, batch_size=64, every=20, most_steps=300, expected=1)
TITLE = "Does it learn?"
STUDY = f"""
import sys; sys.path.append({str(Path(__file__).parent)!r})
import factory
import pytest
from bench_core.learning import in_words

def test_mine(device_benchmark):
    device_benchmark(lambda: None)

@pytest.mark.parametrize(
    "workload", [pytest.param("mlp_train", marks=pytest.mark.bench_study("learning", workload="mlp_train", seconds=3,
    sweep="full"))]
)
def test_study(workload, bench_device, device_benchmark):
    device_benchmark.study("learning", lambda data_dir: factory.learning((bench_device,))[:1], in_words)
"""


@pytest.fixture(scope="module")
def digits(one_cache, tmp_path_factory):
    """The stand-in's different images, each once or twice: as real data of its own, and quicker to prepare."""
    root = tmp_path_factory.mktemp("digits")
    (root / "MNIST/raw").mkdir(parents=True)
    (root / "MNIST/raw/digits-stand-in").touch()
    for part, count in (("train", 1540), ("t10k", 400)):
        found = mnist(train=part == "train")
        write_idx(root / f"MNIST/raw/{part}-images-idx3-ubyte", found.images[:count])
        write_idx(root / f"MNIST/raw/{part}-labels-idx1-ubyte", found.labels[:count])
    return root


@pytest.fixture(scope="module")
def held_out(digits):
    return held_out_batches(GOAL, CASE, digits)


def whole(data_dir, case=CASE):
    return workloads.get(case.workload).build(BuildContext(workloads.settled(case), data_dir=data_dir, whole=True))


class TestTraining:
    def test_a_right_one_meets_its_goal(self, digits, held_out):
        row = train_to_target(GOAL, CASE, whole(digits), held_out)
        assert row.met
        assert GOAL.target <= row.reached <= 1
        assert 0 < row.steps < GOAL.most_steps
        assert (row.steps % GOAL.every, row.units, row.tested) == (0, 64 * row.steps, 257)
        assert (row.workload, row.device, row.threads, row.data) == ("mlp_train", "cpu", 1, STAND_IN)

    def test_one_whose_optimizer_holds_another_model_does_not(self, digits, held_out):
        step = whole(digits)
        (group,) = step.optimizers["model"].param_groups
        group["params"] = list(mlp.perceptron().parameters())
        row = train_to_target(GOAL, CASE, step, held_out)
        assert not row.met
        assert (row.steps, row.reached < 0.4) == (GOAL.most_steps, True)

    def test_one_with_shuffled_labels_does_not(self, digits, held_out, monkeypatch):
        found = mnist(digits, train=True)
        order = torch.randperm(len(found.labels), generator=torch.Generator().manual_seed(0)).numpy()
        monkeypatch.setattr(mlp, "mnist", lambda *_, **__: replace(found, labels=found.labels[order]))
        row = train_to_target(GOAL, CASE, whole(digits), held_out)
        assert not row.met
        assert (row.steps, row.reached < 0.4) == (GOAL.most_steps, True)

    def test_it_is_not_put_back_to_its_first_state(self, digits):
        def late_loss(step):
            for _ in range(RESTORE_EVERY):
                step()
            return sum(float(step()) for _ in range(5)) / 5

        case = replace(CASE, batch_size=16)
        assert late_loss(whole(digits, case)) < 1.2 < 2 < late_loss(workloads.build(case, data_dir=digits))

    def test_given_up_after_so_many_seconds(self, digits, held_out):
        ticks = iter(range(0, 10**6, 100))
        row = train_to_target(replace(GOAL, target=1.0), CASE, whole(digits), held_out, timer=lambda: next(ticks))
        assert (row.met, row.steps) == (False, GOAL.every)
        assert row.seconds >= learning.MOST_SECONDS

    def test_only_training_is_timed_and_the_device_is_waited_for(self, monkeypatch):
        device, looked_at = Slow(), iter([0.3, 0.5, 0.85])

        def look(model, batches):
            device.now += 1000.0
            return next(looked_at)

        monkeypatch.setattr(learning, "accuracy", look)
        monkeypatch.setattr(learning, "resolve", lambda names: (device,))
        monkeypatch.setattr(learning, "MOST_SECONDS", 1e6)
        step = Step(device.queue, units=64, flops=None, devices=("cpu",), data="none", modules={"model": nn.ReLU()})
        row = train_to_target(GOAL, CASE, step, [(torch.zeros(1), torch.zeros(1))], timer=lambda: device.now)
        assert (row.seconds, row.steps, row.reached) == (60 * Slow.SECONDS, 60, 0.85)

    def test_the_whole_study_on_the_data_named(self, digits):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            row = learn("mlp_train", "cpu", digits)
        finally:
            os.sched_setaffinity(0, before)
        assert (row.met, row.target, row.threads, row.data) == (True, TARGETS["mlp_train"].target, 1, STAND_IN)


class Slow:
    """A device that works off what it is given only when it is waited for, in a time of its own."""

    name, SECONDS = "cpu", 0.5

    def __init__(self):
        self.now = self.queued = 0.0

    def queue(self):
        self.queued += self.SECONDS

    def synchronize(self):
        self.now += self.queued
        self.queued = 0.0

    def model(self):
        return "a device of the tests"


class TestData:
    def test_every_pass_takes_all_rows_in_another_order_and_their_own_classes(self):
        rows = torch.arange(10)
        feed = epochs(rows * 1.5, rows, 3, BuildContext(CASE).rng)
        passes = [[next(feed) for _ in range(3)] for _ in range(20)]
        orders = [torch.cat([targets for _, targets in batches]).tolist() for batches in passes]
        assert all(torch.equal(inputs, targets * 1.5) for batches in passes for inputs, targets in batches)
        assert all(len(set(order)) == 9 for order in orders)
        assert len(set(map(tuple, orders))) == 20
        assert set().union(*orders) == set(range(10)), "no row is left out for ever"

    def test_too_few_rows_for_a_batch_are_refused(self):
        with pytest.raises(ValueError, match="2 rows are too few for a batch of 3"):
            next(epochs(torch.zeros(2), torch.zeros(2), 3, BuildContext(CASE).rng))

    def test_all_rows_of_a_data_set_are_drawn_once(self):
        drawn = BuildContext(Case("mlp_train", batch_size=4), whole=True).draw_rows(10, row_bytes=2**40)
        assert [len(rows) for rows in drawn] == [4, 4, 2]
        assert sorted(row for rows in drawn for row in rows) == list(range(10))

    def test_repeated_test_images_count_once_and_keep_their_classes(self, digits, held_out, monkeypatch):
        monkeypatch.setattr(learning, "TEST_BATCH", 100)
        split = held_out_batches(GOAL, CASE, digits)
        assert [len(labels) for _, labels in split] == [100, 100, 57]
        ((images, labels),) = held_out
        assert torch.equal(torch.cat([part for part, _ in split]), images)
        found = digits.mnist(digits, train=False)
        classes = {image.tobytes(): label for image, label in zip(found.images, found.labels, strict=True)}
        assert len(classes) == 257
        bytes_ = ((images[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
        assert [classes[image.tobytes()] for image in bytes_] == labels.tolist()

    @pytest.mark.parametrize("training", [True, False])
    def test_accuracy_is_that_in_evaluation_mode_and_leaves_the_model_as_it_was(self, training):
        model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.5)).train(training)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        # By its running statistics (mean 0) the model changes nothing; those of the batch would turn half of these.
        images, labels = torch.tensor([[9.0, 1.0], [7.0, 2.0], [8.0, 5.0], [1.0, 2.0]]), torch.tensor([0, 0, 0, 0])
        assert accuracy(model, [(images[:3], labels[:3]), (images[3:], labels[3:])]) == 0.75
        assert model.training is training
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class TestStorage:
    def test_it_reads_back_as_it_was_and_a_run_without_it_still_reads(self, tmp_path):
        made = factory.run(learning=factory.learning())
        path = factory.store(made, tmp_path / "0001_run.json")
        assert files.load(path).info == made.info
        document = json.loads(path.read_text())
        del document[records.KEY]["learning"]
        path.write_text(json.dumps(document))
        assert files.load(path).info.learning == ()

    @pytest.mark.parametrize(
        "change",
        [{"seconds": 0.0}, {"device": "fake"}, {"steps": 0}, {"reached": 1.2}, {"target": -0.1}, {"met": False}],
    )
    def test_broken_figures_are_refused(self, change):
        with pytest.raises(RecordError, match=rf"^{next(iter(change))}: "):
            factory.learning(("cpu",), **change)

    def test_only_a_full_sweep_makes_it_and_a_default_one_says_so(self, pytester):
        pytester.makepyfile(test_user=STUDY)
        plugins = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")  # hypothesis' takes a second to import
        run = (*plugins, "--bench-device", "cpu", "--bench-max-time", "0.02", "-W", "error")
        left = pytester.runpytest_inprocess(*run)
        left.assert_outcomes(passed=1, deselected=1)
        left.stdout.fnmatch_lines(["skipped: learning (1 study): measured with --bench-sweep full"])
        full = pytester.runpytest_inprocess(*run, "--bench-sweep", "full", "--benchmark-autosave")
        full.assert_outcomes(passed=2)
        full.stdout.fnmatch_lines(["*] learning-mlp_train-cpu *91.1% after 150 steps, 105 ms*"])
        full.stdout.no_fnmatch_line("*skipped: learning*")
        (path,) = pytester.path.rglob("0001_*.json")
        assert files.load(path).info.learning == factory.learning(("cpu",))[:1]
        other = pytester.runpytest_inprocess(*run, "--bench-workload", "gemm")
        other.stdout.no_fnmatch_line("*skipped: learning*")

    def test_the_suite_has_one_for_each_goal(self, pytester):
        shutil.copy(Path(__file__).parents[1] / "benchmarks/test_learning.py", pytester.path / "test_copied.py")
        plugins = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")
        result = pytester.runpytest_inprocess(
            *plugins, "--collect-only", "-q", "--bench-sweep", "full", "--bench-device", "cpu"
        )
        assert [line for line in result.outlines if "::" in line] == [
            f"test_copied.py::test_learning[cpu-{name}]" for name in TARGETS
        ]
        assert set(TARGETS) <= set(workloads.names())

    def test_a_line_of_progress_says_when_the_target_was_missed(self):
        missed = factory.learning(("cpu",), reached=0.123, met=False)[:1]
        assert in_words(missed) == "12.3% after 150 steps, 105 ms (target of 90% not reached)"


def learning_of(runs):
    """The section on learning of a report, if it has one."""
    return next((study for study in content(findings(runs)).studies if study.name == NAME), None)


class TestPage:
    def test_cpu_and_gpu_beside_each_other_in_words_and_a_table(self, tmp_path):
        path = write([factory.run(learning=factory.learning())], tmp_path / "report")
        page = Page(path.read_text(encoding="utf-8"))
        markdown = (path.parent / "report.md").read_text(encoding="utf-8")
        for words in (page.text, markdown):
            assert (
                "mlp_train, asked for 90% of 257 test images (digits stand-in): the CPU takes 105 ms (150 steps); the "
                "GPU takes 42.0 ms (150 steps). To get there the GPU is 2.50× as fast as the CPU." in words
            )
        rows = [line.split("|")[1:-1] for line in markdown.splitlines() if "| reached |" in line]
        assert [(row[0].strip(), row[3].strip()) for row in rows] == [
            (name, device) for name in factory.TRAININGS for device in ("CPU, 16 threads", "GPU")
        ]
        assert "#s-Does-it-learn" in " ".join(page.links)
        assert "is not MNIST" in page.text

    def test_a_target_that_is_not_reached_is_said_and_gives_no_speedup(self):
        cpu, gpu = factory.learning(("cpu",)), factory.learning(("cuda",), reached=0.104, met=False)
        study = learning_of([factory.run(learning=(*gpu, *cpu))])
        assert study.sentences[0] == (
            "mlp_train, asked for 90% of 257 test images (digits stand-in): the CPU takes 105 ms (150 steps); the GPU "
            "does not reach it: 10.4% after 42.0 ms (150 steps)."
        )
        assert [row[-2] for row in study.tables[0].rows[:2]] == ["reached", "not reached"]

    def test_real_data_is_not_called_a_stand_in(self):
        made = factory.run(on=factory.machine(gpu=False), learning=factory.learning(("cpu",), data="MNIST"))
        study = learning_of([made])
        assert not any("stand-in" in note for note in study.tables[0].notes)

    def test_without_it_there_is_no_section(self):
        assert learning_of([factory.run()]) is None

    def test_what_was_made_at_last_is_no_longer_missing(self):
        left = records.NotRun("learning (3 studies)", "skipped", "measured with --bench-sweep full")
        failed = records.NotRun("learning-mlp_train-cpu", "failed", "why")
        early = factory.run(not_run=[failed], started="2025-01-01T00:00:00+00:00")
        made = factory.run(learning=factory.learning(("cpu",)))
        later = factory.run(not_run=[left], started="2026-02-01T00:00:00+00:00")
        assert content(findings([early])).not_run.rows[0][1:] == ("learning-mlp_train-cpu", "failed", "why")
        assert content(findings([later])).not_run.rows[0][1] == "learning (3 studies)"
        assert content(findings([early, made, later])).not_run is None
