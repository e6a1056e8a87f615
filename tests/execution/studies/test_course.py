"""The study of courses: what their clock sees, what its parts are, and how its rows get into a run."""

import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bench_core.execution.fixture  # noqa: F401 - imported here, the runs within this process find it loaded
from bench_core import workloads
from bench_core.core.case import Case, Sources
from bench_core.core.errors import CaseSkipped, RecordError
from bench_core.core.studies import CourseRun
from bench_core.execution.studies import course, fresh
from bench_core.execution.studies.course import course_summary, measure_parts, run_course, time_as_in_courses
from bench_core.execution.studies.tutorial import BATCH, NETWORKS, DigitsTraining
from bench_core.storage import files
from bench_core.workloads.data.digits import write_idx
from tests.support import factory
from tests.support.devices import FakeTraining
from tests.support.processes import python

pytestmark = pytest.mark.usefixtures("one_thread")

BATCHES, EPOCHS = 3, 5
SUITE = Path(__file__).parents[3] / "benchmarks/test_studies.py"
PLUGINS = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")  # hypothesis' takes a second to import
STUDY = """
import pytest
from bench_core.execution.studies.course import course_summary
from tests.support import factory

def test_mine(device_benchmark):
    device_benchmark(lambda: None)

@pytest.mark.bench_study("course", workload="mlp_train", seconds=3, sweep="")
def test_study(bench_device, device_benchmark):
    device_benchmark.study(lambda sources: factory.course((bench_device,))[:1], course_summary)
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    (root / "MNIST/raw").mkdir(parents=True)
    classes = np.arange(BATCHES * BATCH, dtype=np.uint8) % 10
    for part in ("train", "t10k"):
        write_idx(root / f"MNIST/raw/{part}-images-idx3-ubyte", np.tile((classes * 25)[:, None, None], (28, 28)))
        write_idx(root / f"MNIST/raw/{part}-labels-idx1-ubyte", classes)
    return root


@pytest.fixture
def one_core() -> Iterator[None]:
    """The processes that this one starts use one core: see ``one_thread``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


ON_ONE_CORE = """
import os, runpy, sys
os.sched_setaffinity(0, [int(sys.argv.pop(1))])
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The study's process has the libraries loaded already. That it starts by itself, the test of the ladder shows."""

    def run(command: list[str], env: dict[str, str], **_: Any) -> CompletedProcess[str]:
        return python("-c", ON_ONE_CORE, str(min(os.sched_getaffinity(0))), *command[2:], environ=env)

    monkeypatch.setattr(fresh, "subprocess", SimpleNamespace(run=run))


class TestFakeDevice:
    """By a training whose every part takes a known time, on a device that works asynchronously."""

    def test_the_clock_misses_what_the_device_has_not_done(self) -> None:
        t = FakeTraining(batches=BATCHES, load_cost=0.0, launch_cost=0.01)
        read = time_as_in_courses(t, t.device, EPOCHS, timer=t.clock)
        steps = EPOCHS * BATCHES
        work = steps * (t.copy_cost + t.train_cost + t.update_cost)
        assert read.steps == steps
        assert read.seconds == pytest.approx(t.place_cost + t.first_cost + 2 * steps * t.launch_cost)
        assert read.seconds + read.unfinished == pytest.approx(t.place_cost + t.first_cost + t.launch_cost + work)
        assert t.device.idle
        assert t.optimizers_used == {True}

    def test_a_loader_that_is_slower_than_the_device_is_all_that_the_clock_sees(self) -> None:
        t = FakeTraining(batches=BATCHES, load_cost=100.0)
        read = time_as_in_courses(t, t.device, EPOCHS, timer=t.clock)
        host = EPOCHS * BATCHES * (t.load_cost + 2 * t.launch_cost)
        assert read.seconds == pytest.approx(t.place_cost + t.first_cost + host)
        assert read.unfinished <= t.copy_cost + t.train_cost + t.update_cost

    def test_parts_are_measured_alone_and_synchronized(self) -> None:
        t = FakeTraining(batches=BATCHES)
        parts = measure_parts(t, t.device, max_time=600.0, timer=t.clock)
        trained = t.train_cost + t.update_cost
        assert parts.first == pytest.approx(t.place_cost + t.first_cost + t.launch_cost + t.copy_cost + trained)
        assert parts.load.seconds == pytest.approx(t.load_cost)
        assert parts.copy.seconds == pytest.approx(t.launch_cost + t.copy_cost)
        assert parts.train.seconds == pytest.approx(t.launch_cost + trained)
        for part in (parts.load, parts.copy, parts.train):
            assert part.interval == pytest.approx((part.seconds, part.seconds))

    def test_on_a_device_that_never_lags_the_parts_add_up_to_the_course(self) -> None:
        t, again = (FakeTraining(batches=BATCHES, copy_cost=0.0, train_cost=0.0, update_cost=0.0) for _ in range(2))
        read = time_as_in_courses(t, t.device, EPOCHS, timer=t.clock)
        parts = measure_parts(again, again.device, max_time=600.0, timer=again.clock)
        later = (read.steps - 1) * (parts.copy.seconds + parts.train.seconds)
        assert parts.first + read.steps * parts.load.seconds + later == pytest.approx(read.seconds)

    def test_its_time_cannot_be_stored(self) -> None:
        t = FakeTraining(batches=BATCHES)
        read = time_as_in_courses(t, t.device, 1, timer=t.clock)
        parts = measure_parts(t, t.device, max_time=60.0, timer=t.clock)
        with pytest.raises(RecordError, match="'fake' is not a real device; there are: cpu, cuda"):
            course.stored("mlp_train", "none", t.device, 1, read, parts, contended=False)


class TestRun:
    @pytest.mark.usefixtures("one_core", "loaded")
    def test_a_run_in_fresh_processes_on_the_named_data(self, digits: Path) -> None:
        (row,) = run_course("mlp_train", "cpu", Sources(data=digits), epochs=2, max_time=0.02)
        assert (row.workload, row.device, row.data, row.threads) == ("mlp_train", "cpu", "MNIST", 1)
        assert (row.epochs, row.steps, row.batch_size) == (2, 2 * BATCHES, BATCH)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_the_training_is_that_of_the_workload(self, digits: Path, name: str) -> None:
        ours = DigitsTraining("cpu", Sources(data=digits), name)
        theirs = workloads.build(Case(name, batch_size=BATCH), sources=Sources(data=digits))
        assert [p.shape for p in ours.model.parameters()] == [p.shape for p in theirs.modules["model"].parameters()]
        assert ours.optimizers[True].defaults == theirs.optimizers["model"].defaults
        before = [p.detach().clone() for p in ours.model.parameters()]
        ours.train(ours.copy(next(iter(ours.loader()))), own_optimizer=True)
        assert not any(map(np.array_equal, before, (p.detach() for p in ours.model.parameters())))

    def test_a_system_that_cannot_fork_skips_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fresh, "get_all_start_methods", lambda: ["spawn"])
        with pytest.raises(CaseSkipped, match=r"the course's mlp_train on cpu starts in forks .* cannot fork"):
            run_course("mlp_train", "cpu")


class TestStorage:
    @pytest.mark.parametrize(
        "change",
        [
            {"seconds": 0.0},
            {"device": "fake"},
            {"steps": 0},
            {"unfinished": -1.0},
            {"first": float("nan")},
            {"train": 0.0},
            {"load_interval": (1.0, 2.0)},
        ],
    )
    def test_impossible_figures_are_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(RecordError, match=rf"^{next(iter(change))}: "):
            factory.course(("cpu",), **change)

    def test_it_runs_only_if_it_is_asked_for_and_sweeps_say_so(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(test_user=STUDY)
        run = (*PLUGINS, "--bench-device", "cpu", "--bench-max-time", "0.02", "-W", "error")
        full = pytester.runpytest_inprocess(*run, "--bench-sweep", "full")
        full.assert_outcomes(passed=1, deselected=1)
        full.stdout.fnmatch_lines(["skipped: measured with --bench-study course: course (1 study)"])
        asked = pytester.runpytest_inprocess(*run, "--bench-study", "course", "--benchmark-autosave")
        asked.assert_outcomes(passed=2)
        asked.stdout.fnmatch_lines(["*course-cpu *28.0 s by the course's clock, 1.88 s of training*"])
        (path,) = pytester.path.rglob("0001_*.json")
        stored = files.load(path).info
        assert stored.rows(CourseRun) == factory.course(("cpu",))[:1]
        assert stored.studied == ("course-cpu",)

    def test_the_suite_has_a_run_for_each_network(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(test_copied=SUITE.read_text())
        listing = ("--collect-only", "-q", "--bench-study", "course", "--bench-device", "cpu", "-k", "course")
        result = pytester.runpytest_inprocess(*PLUGINS, *listing)
        assert [line for line in result.outlines if "::" in line] == [
            f"test_copied.py::test_course[cpu-{name}]" for name in NETWORKS
        ]

    def test_the_summary_says_when_other_work_disturbed_it(self) -> None:
        (row, _) = factory.course(("cpu",), contended=True)
        assert course_summary([row]) == (
            "28.0 s by the course's clock, 1.88 s of training (measured beside other work, so no conclusion)"
        )
