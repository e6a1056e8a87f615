"""The report's parts: what it says, how it writes numbers, and that no text of a plot lies on another."""

from dataclasses import replace

import factory
import pytest
from factory import Case
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench_core.analysis.comparison import compare
from bench_core.core import text
from bench_core.core.records import NotRun
from bench_core.report.content import content, findings
from bench_core.report.plots import draw as plots

NO_GPU = factory.machine(gpu=False)
SKIPPED = NotRun("mlp_train-cuda-b65536-fp32-eager", "skipped", "out of GPU memory")


class TestContent:
    def made(self, *runs):
        return content(findings(runs))

    def test_a_run_without_figures_still_tells_what_was_not_run(self):
        made = self.made(factory.run([], not_run=[SKIPPED], partial=True))
        assert (made.families, made.plots, made.gpu_measured) == ({}, (), False)
        assert made.not_run.rows[0][-1] == "out of GPU memory"
        assert made.warnings

    def test_a_gpu_alone_gets_its_figures_but_no_answer(self):
        made = self.made(factory.run(factory.sweep(devices=("cuda",))))
        assert made.gpu_measured
        assert "nothing can be said" in made.answers[1]
        assert [plot.name for plot in made.plots] == ["mlp_train_time", "mlp_train_throughput"]

    def test_what_was_measured_later_is_no_longer_missing(self):
        case = Case("mlp_train", device="cuda", batch_size=8)
        early = factory.run([], not_run=[NotRun(case.id, "failed", "why")], started="2026-01-01T00:00:00+00:00")
        late = factory.run([factory.record(case)], started="2026-01-02T00:00:00+00:00")
        assert self.made(early).not_run is not None
        assert self.made(early, late).not_run is None

    def test_a_partial_run_that_was_measured_again_needs_no_warning(self):
        early = factory.run(partial=True, started="2026-01-01T00:00:00+00:00")
        assert len(self.made(early).warnings) == 1
        assert self.made(early, factory.run()).warnings == ()

    def test_a_ratio_across_machines_is_said_in_the_sentence(self):
        gpu = factory.run(factory.sweep(devices=("cuda",)))
        cpu = factory.run(factory.sweep(devices=("cpu",)), NO_GPU)
        section = self.made(gpu, cpu).families["synthetic"][0]
        assert "This is across machines: Synthetic CPU (16 cores), no GPU against" in section.sentences[0]

    def test_single_batch_settings_share_one_plot(self):
        settings = [
            Case("conv2d_grid", device=d, batch_size=32, setting=f"k{k}") for d in ("cpu", "cuda") for k in range(9)
        ]
        made = self.made(factory.run([factory.record(case) for case in settings]))
        assert [plot.name for plot in made.plots] == ["overview_speedup", "conv2d_grid_settings"]

    def test_many_lines_are_spread_over_plots(self):
        lines = [
            Case("w", dtype=dtype, variant=v)
            for dtype in ("fp32", "bf16")
            for v in ("eager", "compile", "channels_last")
        ]
        records = [r for line in lines for r in factory.sweep("w", case=line, one_thread_at=None)]
        made = self.made(factory.run(records))
        drawn = [plot.chart for plot in made.plots if plot.name.startswith("w_time")]
        assert [chart.subtitle.split(", ")[1].split(";")[0] for chart in drawn] == ["fp32", "bf16"]
        assert all(len(chart.lines) <= 6 for chart in drawn)
        assert len({plot.name for plot in made.plots}) == len(made.plots)

    def test_eager_and_cuda_graph_stand_side_by_side(self):
        records = factory.sweep("w") + factory.sweep(
            "w", devices=("cuda",), costs={"cuda": factory.Cost(2e-5, 1e-7)}, case=Case("w", variant="cuda_graph")
        )
        made = self.made(factory.run(records))
        plots_of = {plot.name: plot.chart for plot in made.plots}
        labels = [line.label for line in plots_of["w_time"].lines]
        assert {"GPU, eager", "GPU, cuda_graph"} <= set(labels)
        (line,) = plots_of["w_ways"].lines
        assert [point.value for point in line.points] == sorted((p.value for p in line.points), reverse=True)
        assert line.points[0].value == pytest.approx(10.0, rel=0.1)
        (ways,) = [t for t in made.families["synthetic"][0].tables if t.caption.startswith("Other ways")]
        assert "variant cuda_graph" in ways.caption
        column = dict(zip(ways.headings, zip(*ways.rows, strict=True), strict=True))
        assert len(column["Batch"]) == len(factory.BATCHES)
        assert column["Verdict"][0] == "FASTER"
        assert column["Interval of R"][0].startswith("9.")

    def test_missed_targets_flags_and_achieved_widths_are_shown(self):
        late = factory.record(Case("w"), count=8, flags=("not steady: the warm-up's time ran out",))
        late = replace(late, timing=replace(late.timing, met_target=False, rel_half_width=0.044))
        tables = self.made(factory.run([late])).families["synthetic"][0].tables
        row = dict(zip(tables[0].headings, tables[0].rows[0], strict=True))
        assert (row["Target"], row["Half-width"], row["Samples"]) == ("missed ±2.0%", "±4.4%", "8")
        assert row["Flags"] == "not steady: the warm-up's time ran out"

    def test_every_verdict_word_is_explained(self):
        terms = dict(self.made(factory.run()).terms)
        verdicts = {str(row.verdict) for row in compare(factory.run(), factory.run())}
        assert {"FASTER", "SLOWER", "SAME", "UNCLEAR", "MISSING", *verdicts} <= set(terms)


class TestText:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (1.234e-5, "12.3 µs"), (9.999e-4, "1.00 ms"), (1.0, "1.00 s"), (1234.0, "1230 s"), (5e-10, "500 ps"),
            (2e-14, "20.0 fs"), (None, "–"),
        ],
    )  # fmt: skip
    def test_seconds(self, value, expected):
        assert text.seconds(value) == expected

    @given(st.floats(1e-14, 1e6))
    def test_seconds_keep_three_digits(self, value):
        number, unit = text.seconds(value).split()
        scale = {name: scale for scale, name in text.TIME_PREFIXES}[unit]
        assert float(number) * scale == pytest.approx(value, rel=0.00501)
        assert len(number.replace(".", "").lstrip("0")) >= 3

    @pytest.mark.parametrize(
        ("value", "expected"),
        [(0, "0"), (7, "7"), (999, "999"), (1024, "1.02k"), (6.72e6, "6.72M"), (0.5, "0.500"), (None, "–")],
    )
    def test_count(self, value, expected):
        assert text.count(value) == expected

    def test_intervals(self):
        assert text.seconds_interval((9.98e-4, 1.02e-3)) == "998 to 1020 µs"
        assert text.seconds_interval(None) == "–"
        assert text.open_interval((3.8, 4.71)) == "3.80 to 4.71"
        assert text.open_interval((None, 4.71)) == "up to 4.71, open below"
        assert text.open_interval((3.8, None)) == "from 3.80, open above"
        assert text.open_interval((None, None)) == "open on both sides"

    def test_memory(self):
        assert [text.memory(v) for v in (None, 12, 2048, 80 * 2**30)] == ["–", "12 B", "2.00 KiB", "80.0 GiB"]


class TestPlots:
    """No text of a plot lies on another, on the data or outside the picture."""

    LONG = factory.machine(cpu="Synthetic(R) Processor(TM) Platinum 0000XYZ CPU @ 0.00GHz, of a very long name")
    DTYPES = tuple(Case("w", dtype=dtype) for dtype in ("fp32", "bf16", "fp16"))

    @pytest.mark.parametrize(
        "run",
        [
            factory.run(),
            factory.run(on=NO_GPU),
            factory.run(on=LONG, ladder=factory.ladder()),
            factory.large_run(workloads=7),
            factory.run(factory.sweep("w", batches=tuple(2**k for k in range(0, 25, 2))), LONG),
            factory.run([r for case in DTYPES for r in factory.sweep("w", case=case, one_thread_at=None)], LONG),
            factory.run(factory.sweep("w", batches=(1,), one_thread_at=None)),
            factory.run(factory.pipeline(), LONG),
            factory.run(factory.pipeline(("cpu",))[:1], NO_GPU),
            factory.run(factory.sweep("a_workload_with_a_name_that_is_longer_than_any_plot_of_it_could_be_wide")),
        ],
    )
    def test_texts_keep_apart(self, run):
        for plot in content(findings([run])).plots:
            with rc_context(plots.SETTINGS):
                figure = plots.draw(plot.chart)
                canvas = FigureCanvasAgg(figure)
                canvas.draw()
            (axes,), (legend,) = figure.axes, figure.legends
            ticks = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
            texts = [*figure.texts, *legend.get_texts(), *ticks, axes.xaxis.label]
            boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts if t.get_text()]
            for i, (name, box) in enumerate(boxes):
                assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, (plot.name, name)
                assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, (plot.name, name)
                assert not box.overlaps(axes.bbox.padded(-1)), (plot.name, name)
                assert not [other for other, b in boxes[i + 1 :] if box.overlaps(b)], (plot.name, name)

    @given(st.floats(1e-14, 1e9), st.floats(2.0, 1e12), st.integers(4, 7))
    def test_ticks_are_few_and_inside(self, low, factor, most):
        ticks = plots.ticks(low, low * factor, most)
        assert 2 <= len(ticks) <= most
        assert all(low <= tick <= low * factor for tick in ticks)
