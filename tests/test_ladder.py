"""The ladder: what each rung times, that a fake device's result is never stored, and its section of the page."""

import json
import os
import statistics
import sys
from itertools import pairwise, repeat
from pathlib import Path

import factory
import numpy as np
import pytest
import torch
from fake_device import FakeAsyncDevice
from test_report import Page

import bench_core.execution.fixture  # noqa: F401 - imported here, the runs within this process find it loaded
from bench_core import workloads
from bench_core.core import records, text
from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import RunInfo
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession
from bench_core.execution.studies import ladder
from bench_core.execution.studies.ladder import AS_IN_TUTORIALS, OWN_OPTIMIZER, REPEATED, RUNGS, Reading, time_rung
from bench_core.execution.studies.tutorial import BATCH, WORKLOAD, DigitsTraining
from bench_core.report import write
from bench_core.report.content import content, findings
from bench_core.report.plots import draw as plots
from bench_core.report.plots.series import RungChart, RungLine
from bench_core.report.sections.ladder import NAME
from bench_core.storage import files
from bench_core.workloads.data.digits import write_idx

pytestmark = pytest.mark.usefixtures("one_thread")

NO_GPU = factory.machine(gpu=False)
TITLE = "What naive timing would have said"
STUDY = f"""
import sys; sys.path.append({str(Path(__file__).parent)!r})
import factory
import pytest
from bench_core.ladder import in_words

def test_mine(device_benchmark):
    device_benchmark(lambda: None)

@pytest.mark.bench_study("ladder", workload="mlp_train", seconds=3)
def test_study(bench_device, device_benchmark):
    device_benchmark.study("ladder", lambda data_dir: factory.ladder((bench_device,)), in_words)
"""


class GivenAway:
    """A training that is all work of an asynchronous device: nothing is left to the host but to hand it over."""

    def __init__(self, device, seconds):
        self.device, self.seconds = device, seconds

    def place(self):
        pass

    def loader(self):
        return repeat("batch")

    def copy(self, batch):
        return batch

    def train(self, batch, own_optimizer):
        self.device.submit(self.seconds)

    def resident(self):
        return lambda: self.device.submit(self.seconds)


class TestFakeAsyncDevice:
    """The work is long beside the handing over from thread to thread, which even a busy machine does in a few ms."""

    WORK, STEPS = 0.05, 8

    @pytest.fixture
    def device(self):
        return FakeAsyncDevice()

    def climbed(self, rung, device):
        """What a rung says, as a share of the time that the device noted for itself meanwhile."""
        reading = time_rung(rung, GivenAway(device, self.WORK), device, self.STEPS, max_time=0.6)
        device.synchronize()
        return reading.seconds / statistics.median(device.took)

    @pytest.mark.parametrize("rung", [AS_IN_TUTORIALS, OWN_OPTIMIZER], ids=lambda rung: rung.name)
    def test_without_synchronize_a_small_part_of_the_time_is_seen(self, device, rung):
        assert self.climbed(rung, device) < 0.2
        assert device.finished == self.STEPS

    def test_the_last_rung_tells_the_truth(self):
        # A third try passes over a moment in which others had both cores; a bias would show in all of them.
        shares = (self.climbed(REPEATED, FakeAsyncDevice()) for _ in range(3))
        assert any(0.98 <= share <= 1.02 for share in shares)

    def test_its_result_cannot_be_stored(self, device):
        with pytest.raises(RecordError, match="'fake' is no real device; there are: cpu, cuda"):
            ladder.stored(REPEATED, Reading(1e-3, None, 1), device, "none")
        data = files.encode(factory.run(ladder=factory.ladder(("cpu",))).info)
        data["ladder"][0]["device"] = "fake"
        with pytest.raises(RecordError, match=r"ladder\[0\].device: 'fake' is no real device"):
            files.decode(RunInfo, data, "file")


class Virtual:
    """A training and its device, in a time that only their parts let pass: the host's, and that of queued work."""

    name = "virtual:0"
    COLD, FIRST, LOADED, ISSUED, COPIED, TRAINED, UPDATED = 30.0, 7.0, 2.0, 0.1, 1.0, 5.0, 0.5

    def __init__(self):
        self.now = self.free = 0.0
        self.cold = True
        self.used, self.optimizers = False, set()

    def queue(self, seconds):
        self.now += self.ISSUED + (0.0 if self.used else self.FIRST)
        self.used = True
        self.free = max(self.free, self.now) + seconds

    def synchronize(self):
        self.now = max(self.now, self.free)

    def place(self):
        self.now += self.COLD if self.cold else 0.0
        self.cold = False

    def loader(self):
        while True:
            self.now += self.LOADED
            yield "batch"

    def copy(self, batch):
        self.queue(self.COPIED)

    def train(self, batch, own_optimizer):
        self.optimizers.add(own_optimizer)
        self.queue(self.TRAINED + (self.UPDATED if own_optimizer else 0.0))

    def resident(self):
        return lambda: self.train(None, True)


class TestRungs:
    def seconds(self, rung, steps=20):
        virtual = Virtual()
        reading = time_rung(rung, virtual, virtual, steps, timer=lambda: virtual.now)
        assert virtual.now >= virtual.free, "nothing is left in the queue"
        assert (reading.interval, reading.steps) == (None, steps)
        assert virtual.optimizers == {rung != AS_IN_TUTORIALS}
        return reading.seconds

    def test_every_rung_keeps_the_mends_before_it_and_adds_one(self):
        mends = ("own_optimizer", "synchronized", "warm", "loader_out", "resident", "repeated")
        for before, after in pairwise(RUNGS):
            assert [getattr(after, m) for m in mends].index(True) == 0
            added = [m for m in mends if getattr(after, m) and not getattr(before, m)]
            assert len(added) == 1
            assert all(getattr(after, m) for m in mends if getattr(before, m))
        assert not any(getattr(RUNGS[0], m) for m in mends)
        assert all(getattr(RUNGS[-1], m) for m in mends)

    def test_each_times_what_it_says_and_no_more(self):
        v, n = Virtual, 20
        host = v.LOADED + 2 * v.ISSUED
        step = v.COPIED + v.TRAINED + v.UPDATED
        first = v.LOADED + v.ISSUED  # the device waits for its first work
        expected = {
            "as in tutorials": (v.COLD + v.FIRST) / n + host,
            "own optimizer": (v.COLD + v.FIRST) / n + host,
            "synchronize": (v.COLD + v.FIRST + first + n * step) / n,
            "warm-up": (first + n * step) / n,
            "loader taken out": (v.ISSUED + n * step) / n,
            "inputs resident": (v.ISSUED + n * (v.TRAINED + v.UPDATED)) / n,
        }
        assert {rung.name: self.seconds(rung) for rung in RUNGS[:-1]} == pytest.approx(expected)

    def test_their_picture_can_be_drawn_without_a_run_and_names_what_it_is_of(self, tmp_path):
        values = tuple(enumerate(self.seconds(rung) for rung in RUNGS[:-1]))
        line = RungLine("a device of the tests", "gpu", values, None)
        chart = RungChart(
            "Rungs", "no measurement", "-", "time", tuple(r.name for r in RUNGS[:-1]), (line,), text.seconds
        )
        plots.save(chart, tmp_path / "a.svg", tmp_path / "a.png")
        drawing = (tmp_path / "a.svg").read_text()
        assert all(words in drawing for words in ("a device of the tests", "no measurement", "inputs resident"))

    def test_a_loader_that_ends_early_counts_only_the_steps_it_gave(self):
        virtual = Virtual()
        virtual.loader = lambda: iter(range(3))
        assert time_rung(OWN_OPTIMIZER, virtual, virtual, 20, timer=lambda: virtual.now).steps == 3


class TestTutorial:
    """The training itself, on the CPU and on few images."""

    @pytest.fixture(scope="class")
    @classmethod
    def digits(cls, tmp_path_factory):
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
    def one_core(self):
        """The processes that this one starts use one core: see ``one_thread``."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        yield
        os.sched_setaffinity(0, before)

    def weights_after(self, digits, own_optimizer):
        training = DigitsTraining("cpu", digits)
        before = [p.detach().clone() for p in training.model.parameters()]
        batch = training.copy(next(iter(training.loader())))
        gradients = []
        for _ in range(2):
            training.train(batch, own_optimizer)
            gradients.append(training.model[1].weight.grad.clone())
        changed = any(not torch.equal(a, b) for a, b in zip(before, training.model.parameters(), strict=True))
        return changed, gradients, batch

    def test_with_another_models_optimizer_nothing_is_learnt_and_gradients_pile_up(self, digits):
        changed, (first, second), (images, labels) = self.weights_after(digits, own_optimizer=False)
        assert not changed
        torch.testing.assert_close(second, 2 * first)
        assert (tuple(images.shape), tuple(labels.shape)) == ((BATCH, 1, 28, 28), (BATCH,))

    def test_with_its_own_it_learns(self, digits):
        changed, (first, second), _ = self.weights_after(digits, own_optimizer=True)
        assert changed
        assert second.norm() < 1.5 * first.norm()

    def test_it_is_the_workloads_training(self, digits):
        ours = DigitsTraining("cpu", digits)
        theirs = workloads.build(Case(WORKLOAD, batch_size=BATCH), data_dir=digits)
        assert [p.shape for p in ours.model.parameters()] == [p.shape for p in theirs.modules["model"].parameters()]
        assert ours.optimizers[True].defaults == theirs.optimizers["model"].defaults
        assert ours.data == theirs.data
        images, _ = next(iter(ours.loader()))
        assert (float(images.min()), float(images.max())) == (-1.0, 1.0)

    def test_the_whole_ladder_runs_in_processes_of_its_own_on_the_data_named(self, digits, one_core):
        rungs = ladder.run_ladder("cpu", digits, steps=3, max_time=0.05)
        assert [rung.rung for rung in rungs] == [rung.name for rung in RUNGS]
        assert {(rung.device, rung.data) for rung in rungs} == {("cpu", "MNIST")}
        assert [(rung.steps, rung.interval) for rung in rungs[:-1]] == [(3, None)] * 6

    def test_what_went_wrong_there_is_told_in_one_line(self, tmp_path, monkeypatch):
        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\necho Traceback >&2; echo 'ValueError: no MNIST here' >&2; exit 1\n")
        broken.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(broken))
        with pytest.raises(RuntimeError, match=r"^the ladder on cpu failed: ValueError: no MNIST here$"):
            ladder.run_ladder("cpu")


class TestStorage:
    def test_a_ladder_reads_back_as_it_was(self, tmp_path):
        made = factory.run(ladder=factory.ladder())
        path = factory.store(made, tmp_path / "0001_run.json")
        assert files.load(path).info == made.info

    def test_a_run_without_one_still_reads(self, tmp_path):
        path = factory.store(factory.run(), tmp_path / "0001_run.json")
        document = json.loads(path.read_text())
        del document[records.KEY]["ladder"]
        path.write_text(json.dumps(document))
        assert files.load(path).info.ladder == ()

    def test_a_study_without_a_field_is_refused_at_once(self):
        session = BenchSession(parse({"workload": "gemm", "device": "cpu"}, Path()))
        with pytest.raises(ValueError, match="no study 'snakes'"):
            session.note_study("snakes", ())

    @pytest.mark.parametrize("change", [{"seconds": 0.0}, {"seconds": float("nan")}, {"interval": (2.0, 3.0)}])
    def test_broken_figures_are_refused(self, change):
        with pytest.raises(RecordError, match=next(iter(change))):
            factory.ladder(("cpu",), **change)

    def test_a_study_is_stored_with_its_run_and_left_out_of_the_counts(self, pytester):
        pytester.makepyfile(test_user=STUDY)
        plugins = ("-p", "bench_core.plugin", "-p", "no:hypothesispytest")  # hypothesis' takes a second to import
        run = (*plugins, "--bench-device", "cpu", "--bench-max-time", "0.02")
        result = pytester.runpytest_inprocess(*run, "--benchmark-autosave", "-W", "error")
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["*1 study on cpu*, about 3 s", "*ladder-cpu*7.20 ms as in tutorials, 570 µs in*"])
        (path,) = pytester.path.rglob("0001_*.json")
        stored = files.load(path)
        assert stored.info.ladder == factory.ladder(("cpu",))
        assert (stored.info.planned, len(stored.records), stored.info.partial) == (1, 1, False)
        pytester.runpytest_inprocess(*run, "--bench-workload", "gemm", "-k", "study").assert_outcomes(deselected=2)
        pytester.runpytest_inprocess(*run, "--benchmark-disable").assert_outcomes(passed=1, skipped=1)
        alone = pytester.runpytest_inprocess(*run, "-k", "study")
        alone.stdout.fnmatch_lines(["not stored: ladder: *"])
        assert len(list(pytester.path.rglob("*.json"))) == 1


def ladder_of(runs):
    """The ladder's section of a report, if it has one."""
    return next((study for study in content(findings(runs)).studies if study.name == NAME), None)


class TestPage:
    def page(self, tmp_path, *runs):
        path = write(runs, tmp_path / "report")
        return Page(path.read_text(encoding="utf-8")), (path.parent / "report.md").read_text(encoding="utf-8")

    def test_a_cpu_alone_has_no_speedup_and_shows_by_its_figures_that_waiting_changes_nothing(self):
        study = ladder_of([factory.run(on=NO_GPU, ladder=factory.ladder(("cpu",)))])
        assert [plot.name for plot in study.plots] == ["ladder_time_A"]
        (table,) = study.tables
        assert table.headings == ("Rung", "What it mends", "CPU time", "CPU off by")
        assert [row[2] for row in table.rows if row[0] in ("own optimizer", "synchronize")] == ["7.10 ms", "7.30 ms"]

    def test_without_a_ladder_there_is_no_section(self, tmp_path):
        page, markdown = self.page(tmp_path, factory.run([]))
        assert TITLE not in page.text + markdown

    def test_cpu_and_gpu_beside_each_other_with_what_each_is_off_by(self, tmp_path):
        page, markdown = self.page(tmp_path, factory.run(ladder=factory.ladder()))
        for words in (page.text, markdown):
            assert "CPU: the first rung says 7.20 ms a step and the last 570 µs, so the first is off by 12.6×." in words
            assert "What changes most is 'loader taken out': from 6.40 ms to 560 µs." in words
            assert "By the first rung the GPU is 0.447× as fast as the CPU; by the last, 2.48×." in words
            assert "CPU 564 to 576 µs; GPU 228 to 232 µs; R 2.44 to 2.51" in words
        row = next(line for line in markdown.splitlines() if line.startswith("| warm-up"))
        assert [cell.strip() for cell in row.split("|")[3:-1]] == [
            "6.40 ms", "11.2×", "6.80 ms", "29.6×", "0.941×", "0.380×",
        ]  # fmt: skip
        assert {"ladder_time_A.png", "ladder_speedup_A.svg"} <= {p.name for p in (tmp_path / "report/plots").iterdir()}
        assert "#s-What-naive-timing-would-have-said" in page.links

    def test_the_newest_ladder_of_each_machine_counts(self):
        old = factory.run(ladder=factory.ladder(seconds=9e-3, interval=None), started="2025-01-01T00:00:00+00:00")
        new = factory.run(ladder=factory.ladder())
        later_without = factory.run(started="2026-02-01T00:00:00+00:00")
        other = factory.run(on=NO_GPU, ladder=factory.ladder(("cpu",)))
        study = ladder_of([old, new, later_without, other])
        assert [sentence[:30] for sentence in study.sentences] == [
            "Machine A: CPU: the first rung", "Machine A: GPU: the first rung", "Machine A: By the first rung t",
            "Machine B: CPU: the first rung",
        ]  # fmt: skip
        assert "7.20 ms" in study.sentences[0]
        newer_torch = factory.run(on=factory.machine(torch="2.12.0"), started="2026-03-01T00:00:00+00:00")
        assert ladder_of([new, newer_torch]) is None

    def test_one_that_failed_and_was_made_later_is_no_longer_missing(self):
        failed = records.NotRun("ladder-cpu", "failed", "why")
        early = factory.run(not_run=[failed], started="2025-01-01T00:00:00+00:00")
        assert content(findings([early])).not_run.rows[0][1:] == ("ladder-cpu", "failed", "why")
        assert content(findings([early, factory.run(ladder=factory.ladder())])).not_run is None
