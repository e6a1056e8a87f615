"""The report's files: what they contain, and that a failure loses nothing."""

import base64
import csv
import hashlib
import itertools
import re
from pathlib import Path

import pytest

from bench_core.analysis.speedup import curves, pool
from bench_core.core.records import NotRun, Outcome
from bench_core.report import ReportError, write
from bench_core.report.plots import draw
from tests.support import factory
from tests.support.factory import Cost
from tests.support.pages import page_of

NO_GPU = factory.machine(gpu=False)
FAILED = NotRun("mlp_train-cuda-b8192-fp32-eager", Outcome.FAILED, "outputs <differ> from the | float64 reference")
SKIPPED = NotRun("mlp_train-cuda-b65536-fp32-eager", Outcome.SKIPPED, "out of GPU memory")


@pytest.fixture(scope="module")
def runs():
    old = factory.run(started="2025-01-01T00:00:00+00:00")
    new = factory.run(
        [
            *factory.sweep(batches=(1, 64, 4096)),
            *factory.sweep("gan_step", batches=(1, 64), costs={"cpu": Cost(0.1, 0.2)}, count=4, one_thread_at=None),
        ],
        not_run=(FAILED, SKIPPED),
        skipped=("0009_x.json: test_a: written in schema 9, this bench-core reads up to 1; update bench-core",),
        partial=True,
    )
    return [old, new]


@pytest.fixture(scope="module")
def out(runs, tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("gpu") / "report"
    assert write(runs, folder) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def cpu_out(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cpu") / "report"
    write(
        [factory.run(on=NO_GPU, not_run=[NotRun("cuda (6 cases)", Outcome.NOT_RUN, "torch was built without CUDA")])],
        folder,
    )
    return folder


def test_report_has_all_its_files_and_no_others(out):
    assert {path.name for path in out.iterdir()} == {"index.html", "report.md", "speedups.csv", "cases.csv", "plots"}
    stems = {path.stem for path in (out / "plots").iterdir()}
    names = {"overview_speedup", "mlp_train_time", "mlp_train_speedup", "gan_step_time", "parity"}
    assert stems == names | {"gan_step_speedup", "gan_step_throughput", "mlp_train_throughput"}
    assert {path.suffix for path in (out / "plots").iterdir()} == {".svg", ".png"}


def test_page_needs_no_other_file(out):
    page = page_of(out)
    assert len(page.images) == 8
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.images)
    assert all(page.alts)
    assert page.source.count("<script") == 1
    assert all(link.startswith("#") for link in page.links)
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("name", ["index.html", "report.md"])
def test_answer_comes_first_with_batch_size_ratio_and_interval(out, name):
    words = page_of(out).text if name == "index.html" else (out / name).read_text(encoding="utf-8")
    assert "mlp_train: The GPU is worth it from batch size 64 on. At its best the GPU is 26." in words
    assert re.search(r"26\.\d× as fast as the CPU \(95% CI 2\d\.\d to 2\d\.\d\), at batch size 4,096", words)
    if name == "index.html":
        assert words.index("The GPU is worth it") < words.index("Machines and runs")
    expected = "too few samples for a confidence interval; by the medians, the GPU is faster at 2 of 2 batch sizes"
    assert expected in words


def test_what_is_missing_is_reported_with_its_reason(out):
    words = page_of(out).text
    assert "is partial: it was stopped early, and contains only 11 of 16 planned cases" in words
    assert "written in schema 9, this bench-core reads up to 1" in words
    assert "7 older records not shown" in words
    assert "out of GPU memory" in words
    assert "Not available: peak memory (torch does not count host memory)" in words


def test_only_the_script_of_the_page_itself_may_run(out):
    source = (out / "index.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*)</script>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "innerHTML" not in script


def test_all_cases_are_in_the_page_without_its_script(out):
    page = page_of(out)
    heading = next(row for row in page.rows if row[:1] == ["Workload"] and "Dtype" not in row and "Device" in row)
    at = page.rows.index(heading)
    rows = list(itertools.takewhile(lambda row: len(row) == len(heading), page.rows[at + 1 :]))
    assert len(rows) == len(list(csv.DictReader((out / "cases.csv").open(encoding="utf-8"))))


def test_stored_text_breaks_neither_page_nor_table(out):
    source = (out / "index.html").read_text(encoding="utf-8")
    assert "outputs &lt;differ&gt; from the | float64 reference" in source
    assert r"outputs \<differ\> from the \| float64" in (out / "report.md").read_text(encoding="utf-8")


def test_speedups_csv_has_every_comparison_with_its_absolute_times(runs, out):
    rows = list(csv.DictReader((out / "speedups.csv").open(encoding="utf-8")))
    matched = [row for row in rows if row["comparison"] == "matched"]
    expected = [row for curve in curves(pool(runs)) for row in curve.rows]
    assert len(matched) == len(expected) == 7
    for row, comparison in zip(matched, expected, strict=True):
        assert row["verdict"] == comparison.verdict
        if comparison.ratio is not None:
            assert float(row["ratio"]) == pytest.approx(comparison.ratio, rel=1e-5)
            quotient = float(row["base_seconds_per_unit"]) / float(row["contender_seconds_per_unit"])
            assert quotient == pytest.approx(comparison.ratio, rel=1e-4)
            assert (row["base_threads"], row["base_device_model"]) == ("16", "Synthetic CPU")
    assert {row["comparison"] for row in rows} == {"matched", "best against best", "threads"}


def test_cases_csv_has_every_result(runs, out):
    rows = list(csv.DictReader((out / "cases.csv").open(encoding="utf-8")))
    assert len(rows) == len(pool(runs).results)
    assert {row["data"] for row in rows} == {"digits stand-in"}


def test_every_plot_names_machine_and_data(out):
    for path in (out / "plots").glob("*_time.svg"):
        drawing = path.read_text(encoding="utf-8")
        assert "<text" in drawing
        assert "Synthetic CPU (16 cores) + Synthetic GPU" in drawing
        assert "Data: digits stand-in." in drawing


def test_report_without_a_gpu_explains_how_to_measure_one(cpu_out):
    words = page_of(cpu_out).text
    assert "No GPU was measured" in words
    assert "pytest benchmarks --benchmark-autosave" in words
    assert "torch was built without CUDA" in words
    assert "All usable CPU cores are faster than one thread in 1 of 1 case measured with both." in words
    assert {path.stem for path in (cpu_out / "plots").glob("*.svg")} == {"mlp_train_time", "mlp_train_throughput"}


def test_same_runs_give_the_same_bytes(runs, out, tmp_path):
    write(runs, tmp_path / "again")
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert (tmp_path / "again" / path.relative_to(out)).read_bytes() == path.read_bytes(), path.name


class TestOutput:
    RUN = factory.run(factory.sweep(devices=("cpu",), batches=(1, 8), one_thread_at=None), NO_GPU)

    def test_report_of_no_runs_is_refused(self, tmp_path):
        with pytest.raises(ReportError, match="no run to report; store one with"):
            write([], tmp_path / "out")

    def test_file_in_place_of_the_folder_is_refused_and_kept(self, tmp_path):
        (tmp_path / "out").write_text("mine")
        with pytest.raises(ReportError, match=r"out: is a file.*--out"):
            write([self.RUN], tmp_path / "out")
        assert (tmp_path / "out").read_text() == "mine"

    def test_folder_that_cannot_be_created_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ReportError, match=r"out: cannot be written \(.+\); name a folder"):
            write([self.RUN], tmp_path / "file" / "out")

    def test_missing_parent_folders_are_created(self, tmp_path):
        assert write([self.RUN], tmp_path / "a" / "b").is_file()

    def test_other_files_stay_and_own_files_are_replaced(self, tmp_path):
        (tmp_path / "out" / "plots").mkdir(parents=True)
        for name in ("notes.txt", "plots/mine.svg", "index.html"):
            (tmp_path / "out" / name).write_text("before")
        page = write([self.RUN], tmp_path / "out")
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert (tmp_path / "out" / "notes.txt").read_text() == "before"
        assert (tmp_path / "out" / "plots" / "mine.svg").read_text() == "before"

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("broken")])
    def test_failure_leaves_the_old_report_and_no_temporary_files(self, tmp_path, monkeypatch, error):
        write([self.RUN], tmp_path / "out")
        before = (tmp_path / "out" / "index.html").read_bytes()

        def fail(*_):
            raise error

        monkeypatch.setattr(draw, "save", fail)
        with pytest.raises(ReportError if isinstance(error, OSError) else RuntimeError):
            write([self.RUN], tmp_path / "out")
        assert (tmp_path / "out" / "index.html").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
