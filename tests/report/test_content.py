"""The report's content: answers, sections and tables, and that no logic depends on the words of a text."""

from dataclasses import replace

import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.speedup import curves, pool
from bench_core.core.case import Case
from bench_core.core.records import NotRun, Outcome
from bench_core.core.results import Flag, FlagCode
from bench_core.report import answers
from bench_core.report.content import analyze, content
from bench_core.report.sections import learning
from bench_core.report.tables.table import Link
from tests.support import factory
from tests.support.pages import shown, source

NO_GPU = factory.machine(gpu=False)
SKIPPED = NotRun("mlp_train-cuda-b65536-fp32-eager", Outcome.SKIPPED, "out of GPU memory")


def content_of(*runs):
    return content(analyze(runs))


def cells(table):
    """The columns of a table by their headings."""
    return dict(zip(table.headings, zip(*table.rows, strict=True), strict=True))


class TestContent:
    def test_run_without_results_reports_what_was_not_run(self):
        report = content_of(factory.run([], not_run=[SKIPPED], partial=True))
        assert (report.families, report.plots, report.gpu_measured) == ({}, (), False)
        assert report.not_run.rows[0][-1] == "out of GPU memory"
        assert report.warnings

    def test_study_without_rows_has_no_section(self):
        run = factory.run(studies={"ladder": (), "learning": ()})
        assert content_of(run).studies == content_of(factory.run()).studies

    def test_gpu_alone_gets_its_results_but_no_answer(self):
        report = content_of(factory.run(factory.sweep(devices=("cuda",))))
        assert report.gpu_measured
        assert "No batch size was measured on both devices, so there is no answer." in report.answers[1]
        assert [plot.name for plot in report.plots] == ["mlp_train_time", "mlp_train_throughput"]

    def test_case_that_was_measured_later_is_no_longer_missing(self):
        case = Case("mlp_train", device="cuda", batch_size=8)
        failed = NotRun(case.id, Outcome.FAILED, "why")
        early = factory.run([], not_run=[failed], started="2026-01-01T00:00:00+00:00")
        late = factory.run([factory.record(case)], started="2026-01-02T00:00:00+00:00")
        assert content_of(early).not_run is not None
        assert content_of(early, late).not_run is None

    def test_partial_run_that_was_measured_again_needs_no_warning(self):
        early = factory.run(partial=True, started="2026-01-01T00:00:00+00:00")
        assert len(content_of(early).warnings) == 1
        assert content_of(early, factory.run()).warnings == ()

    def test_sentence_states_that_a_ratio_is_across_machines(self):
        gpu = factory.run(factory.sweep(devices=("cuda",)))
        cpu = factory.run(factory.sweep(devices=("cpu",)), NO_GPU)
        section = content_of(gpu, cpu).families["synthetic"][0]
        expected = "This is a comparison across machines: Synthetic CPU (16 cores), no GPU against"
        assert expected in section.sentences[0]

    def test_settings_with_a_single_batch_share_one_plot(self):
        settings = [
            Case("conv2d_grid", device=d, batch_size=32, setting=f"k{k}") for d in ("cpu", "cuda") for k in range(9)
        ]
        report = content_of(factory.run([factory.record(case) for case in settings]))
        (section,) = report.families["synthetic"]
        assert [plot.name for plot in section.plots] == ["conv2d_grid_settings_time", "conv2d_grid_settings"]

    def test_single_batch_has_no_crossover(self):
        records = factory.sweep("w", batches=(8,), one_thread_at=None) + factory.sweep("v", one_thread_at=None)
        summary = cells(content_of(factory.run(records)).summary)
        assert [cell.text for cell in summary["Workload"]] == ["v", "w"]
        assert summary["Crossover batch"][0] != "–"
        assert summary["Crossover batch"][1] == "–"

    def test_many_lines_are_distributed_over_several_plots(self):
        lines = [
            Case("w", dtype=dtype, variant=v)
            for dtype in ("fp32", "bf16")
            for v in ("eager", "compile", "channels_last")
        ]
        records = [r for line in lines for r in factory.sweep("w", case=line, one_thread_at=None)]
        report = content_of(factory.run(records))
        drawn = [plot.chart for plot in report.plots if plot.name.startswith("w_time")]
        assert [chart.subtitle.split(", ")[1].split(";")[0] for chart in drawn] == ["fp32", "bf16"]
        assert all(len(chart.lines) <= 6 for chart in drawn)
        assert len({plot.name for plot in report.plots}) == len(report.plots)

    def test_eager_and_cuda_graph_are_compared_in_a_plot_and_a_table(self):
        records = factory.sweep("w") + factory.sweep(
            "w", devices=("cuda",), costs={"cuda": factory.Cost(2e-5, 1e-7)}, case=Case("w", variant="cuda_graph")
        )
        report = content_of(factory.run(records))
        charts = {plot.name: plot.chart for plot in report.plots}
        labels = [line.label for line in charts["w_time"].lines]
        assert {"GPU, eager", "GPU, cuda_graph"} <= set(labels)
        (line,) = charts["w_variants"].lines
        assert [point.value for point in line.points] == sorted((p.value for p in line.points), reverse=True)
        assert line.points[0].value == pytest.approx(10.0, rel=0.1)
        (variants,) = [t for t in report.families["synthetic"][0].tables if t.caption.startswith("Other variants")]
        assert "variant cuda_graph" in variants.caption
        column = cells(variants)
        assert len(column["Batch size"]) == len(factory.BATCHES)
        assert column["Verdict"][0] == "FASTER"
        assert column["CI of R"][0].startswith("9.")

    def test_missed_target_flags_and_half_width_are_shown(self):
        flag = Flag(FlagCode.NOT_STEADY, "not steady: the warm-up's time ran out")
        late = factory.record(Case("w"), count=8, flags=(flag,))
        late = replace(late, timing=replace(late.timing, met_target=False, rel_half_width=0.044))
        tables = content_of(factory.run([late])).families["synthetic"][0].tables
        row = dict(zip(tables[0].headings, tables[0].rows[0], strict=True))
        assert (row["Target"], row["Half-width"], row["Samples"]) == ("missed ±2.0%", "±4.4%", "8")
        assert row["Flags"] == "not steady: the warm-up's time ran out"

    def test_every_verdict_is_explained(self):
        assert set(Verdict) <= set(dict(content_of(factory.run()).terms))

    def test_caption_shows_what_all_rows_have_in_common_in_place_of_a_column(self):
        section = content_of(factory.run()).families["synthetic"][0]
        matched = next(table for table in section.tables if table.caption.startswith("Speedups"))
        assert matched.caption == "Speedups, matched: machine A, dtype fp32, variant eager"
        assert not {"Machine", "Dtype", "Variant"} & set(matched.headings)


class TestWordsChangeNoBehavior:
    """The report decides by codes, enums and fields, never by the words of a text."""

    def test_counts_of_answers_do_not_depend_on_their_words(self, monkeypatch):
        of_run = curves(pool([factory.large_run(workloads=8)]))
        expected, original = answers.overall(of_run), answers.answer
        assert len({original(curve).worth for curve in of_run}) > 2
        monkeypatch.setattr(answers, "answer", lambda curve: replace(original(curve), cell="reworded", sentence="!"))
        assert answers.overall(of_run) == expected

    def test_reworded_flag_changes_nothing_but_its_own_text(self):
        def page_with(text):
            flags = (Flag(FlagCode.CONTENTION, text),)
            return shown(content_of(factory.run(factory.sweep(flags=flags))))

        text = "contention: other work took the CPU away"
        assert page_with(text).replace(text, "reworded") == page_with("reworded")

    @pytest.mark.parametrize("what", ["learning (3 studies)", "reworded"])
    def test_study_that_another_run_has_is_not_missing_however_it_is_named(self, what):
        left_out = NotRun(what, Outcome.SKIPPED, "reason", study="learning")
        default = factory.run(not_run=[left_out], started="2026-02-01T00:00:00+00:00")
        assert content_of(default).not_run is not None
        assert content_of(factory.run(learning=factory.learning()), default).not_run is None

    @pytest.mark.parametrize("data", ["digits stand-in", "reworded"])
    def test_note_on_stand_in_data_does_not_depend_on_the_name_of_the_data(self, data):
        def notes(stand_in):
            rows = factory.learning(data=data, stand_in=stand_in)
            (study,) = (s for s in content_of(factory.run(learning=rows)).studies if s.name == learning.NAME)
            return study.tables[0].notes

        assert any(f"The {data} is not MNIST" in note for note in notes(stand_in=True))
        assert not any("is not MNIST" in note for note in notes(stand_in=False))

    def test_only_a_verdict_is_marked_as_one(self):
        records = factory.sweep(case=Case("mlp_train", setting="FASTER")) + factory.sweep(
            case=Case("mlp_train", setting="SLOWER")
        )
        report = content_of(factory.run(records))
        rows = [row for table in _tables(report) for row in table.rows]
        verdicts = [cell for row in rows for cell in row if isinstance(cell, Verdict)]
        settings = [cell for row in rows for cell in row if cell in ("FASTER", "SLOWER")]
        assert len(settings) > len([cell for cell in verdicts if cell in ("FASTER", "SLOWER")])
        assert source(report).count('<span class="v ') == len(verdicts)


def _tables(report):
    sections = [section for family in report.families.values() for section in family]
    of_sections = [table for part in (*sections, *report.studies) for table in part.tables]
    at_the_top = (report.summary, report.all_cases, report.machines, report.runs)
    return [t for t in (*at_the_top, report.best, report.threads, *of_sections) if t]


def test_cells_of_a_workload_link_to_its_section():
    report = content_of(factory.run())
    assert cells(report.summary)["Workload"] == (Link("mlp_train", "mlp_train"),)
