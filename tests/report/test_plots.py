"""Plots: no text covers another text or the data, and ticks are few and round."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench_core.core.case import Case
from bench_core.core.results import Flag, FlagCode
from bench_core.report.content import analyze, content
from bench_core.report.plots import canvas, draw
from bench_core.report.plots.chart_types import LineChart, MarkChart, Roof, RooflineChart, RoofPoint
from tests.support import factory

NO_GPU = factory.machine(gpu=False)
LONG = factory.machine(cpu="Synthetic(R) Processor(TM) Platinum 0000XYZ CPU @ 0.00GHz, of a very long name")
DTYPES = tuple(Case("w", dtype=dtype) for dtype in ("fp32", "bf16", "fp16"))
TWO_GROUPS = Flag(FlagCode.TWO_MODES, "two groups")
SETTINGS = [
    factory.record(Case("conv2d_grid", device=device, batch_size=32, setting=f"kernel {k}"), 1e-3 * k)
    for device in ("cpu", "cuda")
    for k in range(1, 9)
]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(factory.run(), id="gpu"),
        pytest.param(factory.run(on=NO_GPU), id="no gpu"),
        pytest.param(factory.run(on=LONG, ladder=factory.ladder()), id="ladder"),
        pytest.param(factory.large_run(workloads=7), id="many workloads"),
        pytest.param(
            factory.busy_run(LONG, ladder=[*factory.ladder(("cpu",), contended=True), *factory.ladder(("cuda",))]),
            id="busy machine",
        ),
        pytest.param(
            factory.run([factory.contended(r) for r in factory.pipeline(("cpu",))[:1]], NO_GPU), id="hollow bar"
        ),
        pytest.param(factory.run(factory.sweep("w", batches=tuple(2**k for k in range(0, 25, 2))), LONG), id="batches"),
        pytest.param(
            factory.run([r for case in DTYPES for r in factory.sweep("w", case=case, one_thread_at=None)], LONG),
            id="dtypes",
        ),
        pytest.param(factory.run(SETTINGS, LONG), id="settings"),
        pytest.param(
            factory.run(
                [r for name in ("a", "b") for r in factory.sweep(name, flags=(TWO_GROUPS,))],
                LONG,
                ceilings=factory.ceilings(),
            ),
            id="causes",
        ),
        pytest.param(factory.run(factory.pipeline(), LONG), id="pipeline"),
        pytest.param(factory.run(factory.pipeline(("cpu",))[:1], NO_GPU), id="one stacked bar"),
        pytest.param(
            factory.run(factory.sweep("a_workload_with_a_name_that_is_longer_than_any_plot_of_it_could_be_wide")),
            id="long name",
        ),
    ],
)
def test_texts_of_a_plot_cover_neither_each_other_nor_the_data(run):
    for plot in content(analyze([run])).plots:
        with rc_context(canvas.SETTINGS):
            figure = draw.draw(plot.chart)
            drawn = FigureCanvasAgg(figure)
            drawn.draw()
        (axes,), (legend,) = figure.axes, figure.legends
        ticks = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
        texts = [*figure.texts, *legend.get_texts(), *ticks, axes.xaxis.label]
        boxes = [(t.get_text(), t.get_window_extent(drawn.get_renderer())) for t in texts if t.get_text()]
        for i, (name, box) in enumerate(boxes):
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, (plot.name, name)
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, (plot.name, name)
            assert not box.overlaps(axes.bbox.padded(-1)), (plot.name, name)
            assert not [other for other, b in boxes[i + 1 :] if box.overlaps(b)], (plot.name, name)


def test_numbers_of_crowded_points_under_a_roof_cover_neither_each_other_nor_a_point():
    rng = np.random.default_rng(1)
    at = np.exp(rng.normal((3.4, 26.0), (0.3, 0.3), (25, 2)))
    points = tuple(RoofPoint(n, x, y, "compute-bound") for n, (x, y) in enumerate(at, 1))
    roofs = (Roof("fp32", flops=3e11), Roof("memory", bandwidth=4e10))
    figure = draw.draw(RooflineChart("title", "subtitle", "footer", roofs, ("compute-bound",), points))
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    (axes,) = figure.axes
    boxes = {text.get_text(): text.get_window_extent(drawn.get_renderer()) for text in axes.texts}
    assert len(boxes) == len(points)
    for one, other in itertools.combinations(boxes.values(), 2):
        assert not one.overlaps(other)
    for place in axes.transData.transform(at):
        assert not [name for name, box in boxes.items() if box.contains(*place)]


def test_contended_points_are_hollow_and_the_legend_says_so():
    batches = (1, 8)
    records = factory.sweep("w", devices=("cpu",), batches=batches, one_thread_at=None)
    first_clean, records[1] = records[1], factory.contended(records[1])
    clean, busy = (
        next(p for p in content(analyze([factory.run(own, NO_GPU)])).plots if p.name == "w_time")
        for own in ([records[0], first_clean], records)
    )
    assert isinstance(busy.chart, LineChart)
    (line,) = busy.chart.lines
    assert [point.contended for point in line.points] == [False, True]
    assert _legend(busy) == ["CPU, 16 threads", "beside other work"]
    assert _legend(clean) == ["CPU, 16 threads"]
    assert _batches_of(busy, "none") == [[8.0]]


def test_point_without_an_interval_is_half_filled():
    records = [factory.record(Case("w", batch_size=8), count=4), factory.record(Case("w", batch_size=64))]
    plot = next(p for p in content(analyze([factory.run(records, NO_GPU)])).plots if p.name == "w_time")
    assert _legend(plot) == ["CPU, 16 threads", "no interval"]
    assert _batches_of(plot, "left") == [[8.0]]


def test_contended_dot_has_no_verdict_in_the_legend():
    run = factory.run([factory.contended(r) for r in factory.sweep()])
    plot = next(p for p in content(analyze([run])).plots if p.name == "overview_speedup")
    assert _legend(plot) == ["beside other work"]


def _batches_of(plot, fillstyle):
    """The batches of the markers with a style, those of the legend left out."""
    (axes,) = draw.draw(plot.chart).axes
    drawn = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_fillstyle() == fillstyle]
    return [batches for batches in drawn if batches]


def _legend(plot):
    (legend,) = draw.draw(plot.chart).legends
    return [words.get_text() for words in legend.get_texts()]


@given(st.floats(1e-14, 1e9), st.floats(2.0, 1e12), st.integers(4, 7))
def test_ticks_are_few_and_within_the_limits(low, factor, most):
    ticks = canvas.ticks(low, low * factor, most)
    assert 2 <= len(ticks) <= most
    assert all(low <= tick <= low * factor for tick in ticks)


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=40, unique=True).map(sorted))
def test_ticks_of_batches_are_a_tenth_of_the_axis_apart_and_begin_at_the_first(batches):
    kept = canvas.spread_out(batches)
    assert kept[0] == batches[0]
    assert set(kept) <= set(batches)
    assert len(kept) <= 11
    least = (batches[-1] / batches[0]) ** 0.1
    assert all(second / first >= 0.999 * least for first, second in itertools.pairwise(kept))


@pytest.mark.parametrize("batches", [[1, 16, 64, 512, 4096], [4096 * 16**k for k in range(5)], [8]])
def test_batches_that_are_far_apart_all_have_ticks(batches):
    assert canvas.spread_out(batches) == batches


def plots_of(*runs):
    return {plot.name: plot for plot in content(analyze(runs)).plots}


def test_no_caption_repeats_what_the_plot_says():
    for plot in plots_of(
        factory.large_run(workloads=7), factory.run(factory.pipeline(), ladder=factory.ladder())
    ).values():
        chart = plot.chart
        for words in (chart.title, chart.subtitle, chart.footer):
            assert words not in plot.caption, plot.name


@pytest.mark.parametrize("devices", [("cpu",), ("cuda",), ("cpu", "cuda")])
def test_a_single_point_is_a_row_of_a_table_and_no_plot(devices):
    run = factory.run(factory.sweep("w", devices, batches=(8,), one_thread_at=8))
    report = content(analyze([run]))
    assert [plot.name for plot in report.plots if plot.name != "parity"] == []
    (section,) = report.families["synthetic"]
    (rows,) = (len(table.rows) for table in section.tables if table.caption.startswith("All results"))
    assert rows == len(run.records)


def test_further_settings_have_a_plot_of_times_and_one_of_speedups():
    plots = plots_of(factory.run(SETTINGS))
    times, speedups = plots["conv2d_grid_settings_time"].chart, plots["conv2d_grid_settings"].chart
    assert isinstance(times, MarkChart)
    assert [label for label, _ in times.series] == ["CPU, 16 threads", "GPU"]
    assert [name for name, _ in times.rows] == [f"kernel {k}" for k in range(1, 9)]
    assert [mark.value for mark in times.rows[1][1]] == pytest.approx([2e-3 / 32] * 2, rel=0.01)
    assert [mark.of for mark in times.rows[1][1]] == [0, 1]
    assert len(speedups.rows) == 8
    on_cpu = plots_of(factory.run([r for r in SETTINGS if r.case.device == "cpu"], NO_GPU))
    assert list(on_cpu) == ["conv2d_grid_settings_time"]


def test_settings_that_were_not_swept_are_in_the_plot_of_settings():
    swept = factory.sweep("conv2d_grid", ("cpu",), (8, 32, 64), one_thread_at=None, case=Case("w", setting="kernel 1"))
    others = [r for r in SETTINGS if r.case.device == "cpu" and r.case.setting != "kernel 1"]
    plots = plots_of(factory.run([*swept, *others], NO_GPU))
    assert list(plots) == ["conv2d_grid_time", "conv2d_grid_throughput", "conv2d_grid_settings_time"]
    assert len(plots["conv2d_grid_settings_time"].chart.rows) == 8
    assert len(plots["conv2d_grid_time"].chart.lines) == 1


def test_names_that_look_alike_as_files_have_their_own_plots_and_long_ones_fit():
    names = ("a/b", "a:b", "größe", "grüße", "x" * 400, "x" * 401, "..")
    plots = plots_of(factory.run([r for name in names for r in factory.sweep(name, ("cpu",), one_thread_at=None)]))
    times = [name for name in plots if name.endswith("_time") or "x" * 100 in name]
    assert len({plot.chart.title for plot in plots.values() if isinstance(plot.chart, LineChart)}) == len(names)
    assert len([plot for plot in plots.values() if isinstance(plot.chart, LineChart)]) == 2 * len(names)
    assert times
    assert all(len(name) < 200 and "/" not in name and not name.startswith(".") for name in plots)
