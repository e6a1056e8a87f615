"""The GPU of another machine as the other side, plainly labelled as such."""

from pathlib import Path

import pandas as pd
import pytest

from bench_core.analysis.other_side import other_side
from bench_core.core.records import NotRun, Outcome
from bench_core.report.content import analyze, content
from tests.support import factory
from tests.support.pages import page_of, shown
from tests.support.processes import python

OWN = factory.machine(gpu=False, cpu="Own CPU")
OTHER = factory.machine(cpu="Reference CPU")
SLOW = {"cpu": factory.Cost(4e-5, 8e-6)}


def own(**changes):
    return factory.run(factory.sweep("gemm", ("cpu",), costs=SLOW), OWN, ceilings=factory.ceilings(("cpu",)), **changes)


def reference(**changes):
    return factory.run(
        factory.sweep("gemm"),
        OTHER,
        ceilings=factory.ceilings(),
        ladder=factory.ladder(),
        not_run=[NotRun("gemm-cuda-b9-fp32-eager", Outcome.SKIPPED, "why")],
        **changes,
    )


def report_of(runs, others):
    return content(analyze(runs, other_side(runs, others)))


def test_the_other_machines_gpu_is_compared_with_this_machines_cpu():
    report = report_of([own()], [reference()])
    (family,) = report.families.values()
    (matched,) = (table for table in family[0].tables if table.caption.startswith("Speedups, matched"))
    column = dict(zip(matched.headings, zip(*matched.rows, strict=True), strict=True))
    expected = [SLOW["cpu"].seconds(b) / factory.GPU.seconds(b) for b in factory.BATCHES]
    assert [float(cell.removesuffix("×")) for cell in column["R"]] == pytest.approx(expected, rel=0.02)
    assert set(column["CPU"]) == {"Synthetic CPU"}
    assert all("across machines: Own CPU" in note for note in column["Notes"])


def test_it_is_labelled_in_words_in_plots_and_in_tables():
    report = report_of([own()], [reference()])
    assert report.warnings[0].startswith(
        "The GPU is another machine's: machine B (another machine), Reference CPU (16 cores) + Synthetic GPU, measured "
        "2026-01-02. Its figures are compared with the CPU of machine A."
    )
    assert report.machines.headings == ("", "Machine A", "Machine B (another machine)")
    (speedups,) = (plot for plot in report.plots if plot.name == "gemm_speedup")
    assert "B (another machine): Reference CPU" in speedups.chart.footer
    assert "This is a comparison across machines" in shown(report)


def test_nothing_but_the_gpu_is_taken_from_the_other_machine():
    report = report_of([own()], [reference()])
    assert report.not_run is None
    assert "What naive timing would have said" not in [study.name for study in report.studies]
    assert len(report.all_cases.rows) == len(own().records) + len(factory.BATCHES)
    ceilings = next(study for study in report.studies if study.name == "What the work is bound by").tables[0]
    assert [row[1] for row in ceilings.rows] == ["CPU, 16 threads", "CPU, 1 thread", "GPU"]


def test_what_a_gpu_could_give_at_most_stays_in_the_report():
    assert "What a GPU could give at most" in [study.name for study in report_of([own()], [reference()]).studies]


@pytest.mark.parametrize(
    ("runs", "others"),
    [
        pytest.param([own()], [], id="there is none"),
        pytest.param([reference()], [reference()], id="a run has a GPU"),
        pytest.param([own()], [factory.run(on=factory.machine(gpu=False))], id="the other machine has none"),
        pytest.param([own()], [factory.run(on=factory.machine(emulated=True))], id="the GPU is emulated"),
    ],
)
def test_where_there_is_nothing_to_add_the_report_stays_as_it_is(runs, others):
    assert other_side(runs, others) == ()
    assert shown(report_of(runs, others)) == shown(content(analyze(runs)))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Runs of a single batch, whose reports have next to no plots."""
    here = factory.run(factory.sweep("gemm", ("cpu",), (8,), costs=SLOW, one_thread_at=8), OWN)
    elsewhere = factory.run(factory.sweep("gemm", batches=(8,), one_thread_at=8), OTHER)
    factory.store(here, tmp_path / "results" / "own" / "0001_a.json")
    factory.store(elsewhere, tmp_path / "results" / "reference" / "other" / "0001_b.json")
    return tmp_path


def test_runs_that_come_with_the_project_are_the_other_side(results):
    done = python("-m", "bench_core", "report", cwd=results)
    assert done.returncode == 0, done.stderr
    assert "B (another machine)" in page_of(results / "report").text
    ratios = pd.read_csv(results / "report" / "speedups.csv")
    assert ratios[ratios["comparison"] == "matched"]["across_machines"].all()
    brief = (results / "report" / "report.md").read_text(encoding="utf-8")
    assert "The GPU is another machine's" in brief


def test_runs_that_are_named_are_reported_alone_unless_a_reference_is_named_too(results):
    alone = python("-m", "bench_core", "report", "results/own", cwd=results)
    assert alone.returncode == 0, alone.stderr
    assert "another machine" not in page_of(results / "report").text
    both = python("-m", "bench_core", "report", "results/own", "--reference", "results/reference", cwd=results)
    assert both.returncode == 0, both.stderr
    assert "B (another machine)" in page_of(results / "report").text


def test_a_reference_that_cannot_be_read_does_not_stop_the_report(results):
    (results / "results" / "reference" / "other" / "0001_b.json").write_text("{")
    done = python("-m", "bench_core", "report", cwd=results)
    assert done.returncode == 0, done.stderr
    assert "0001_b.json" in done.stderr
    named = python("-m", "bench_core", "report", "--reference", "results/reference", cwd=results)
    assert named.returncode == 2
