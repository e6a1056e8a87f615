"""The plot and the table of a roofline, the plot of errors, and the samples in two groups."""

from dataclasses import replace

import numpy as np
import pytest

from bench_core.core.case import Case
from bench_core.core.results import Flag, FlagCode, Parity
from bench_core.report.content import analyze, content
from bench_core.report.plots import draw
from bench_core.report.plots.chart_types import MarkChart, RooflineChart
from tests.report.test_causes import BUSY_WITH_BYTES, BUSY_WITH_CALLS, BUSY_WITH_FLOPS, ON_CPU, section
from tests.support import factory

WORK = (*BUSY_WITH_FLOPS, *BUSY_WITH_BYTES, *BUSY_WITH_CALLS)
TWO_GROUPS = Flag(FlagCode.TWO_MODES, "two groups")


def reported(*records, on=ON_CPU):
    return content(analyze([factory.run(records, on, ceilings=factory.ceilings(("cpu",)))]))


def plot_of(report, name):
    (plot,) = (plot for plot in report.plots if plot.name == name)
    return plot


def test_the_numbers_of_the_plot_are_those_of_the_table():
    report = reported(*WORK)
    chart = plot_of(report, "roofline_A_cpu").chart
    assert isinstance(chart, RooflineChart)
    table = section(report, "What the work is bound by").tables[1]
    assert table.caption == "Roofline of the CPU: machine A"
    assert [row[1].text for row in table.rows] == ["bytes", "calls", "flops"]
    assert [int(row[0]) for row in table.rows] == [point.number for point in chart.points] == [1, 2, 3]
    # 2e6 FLOP and 20 bytes for each unit.
    assert chart.points[2].intensity == pytest.approx(1e5)
    assert chart.points[2].flops == pytest.approx(2e6 / (2e-5 / 4096 + 4e-6), rel=0.01)
    assert [point.group for point in chart.points] == ["bandwidth-bound", "host-bound", "compute-bound"]


def test_roofs_are_the_measured_ceilings():
    chart = plot_of(reported(*WORK), "roofline_A_cpu").chart
    assert isinstance(chart, RooflineChart)
    assert [(roof.flops, roof.bandwidth) for roof in chart.roofs] == [(1e12, None), (None, 4e10), (None, 2e11)]
    drawn = {line.get_label(): line for line in draw.draw(chart).axes[0].lines}
    memory = drawn["memory, 40.0G B/s"]
    slope = np.asarray(memory.get_ydata()) / np.asarray(memory.get_xdata())
    assert slope == pytest.approx(np.full(slope.shape, 4e10))


def test_a_single_workload_has_a_row_and_no_plot():
    report = reported(*BUSY_WITH_FLOPS)
    assert not [plot for plot in report.plots if plot.name.startswith("roofline")]
    assert len(section(report, "What the work is bound by").tables[1].rows) == 1


def test_numbers_of_points_do_not_cover_each_other():
    many = [replace(r, case=replace(r.case, workload=f"w{i}")) for i in range(3) for r in BUSY_WITH_FLOPS]
    (axes,) = draw.draw(plot_of(reported(*many), "roofline_A_cpu").chart).axes
    places = {words.get_position() for words in axes.texts}
    assert [words.get_text() for words in axes.texts] == ["1", "2", "3"]
    assert len(places) == 3, "points in one place have their numbers in different places"


def parity(error):
    return Parity("outputs", error, 4e-6, {"outputs": error}, (), 8, 0.1)


def test_errors_are_drawn_by_device_and_dtype_with_their_tolerance():
    records = [
        factory.record(Case("gemm", device=device, batch_size=8, dtype=dtype), parity=parity(error))
        for device, dtype, error in (("cpu", "fp32", 1e-7), ("cuda", "fp32", 2e-7), ("cuda", "bf16", 3e-6))
    ]
    chart = plot_of(reported(*records, on=factory.machine()), "parity").chart
    assert isinstance(chart, MarkChart)
    assert [name for name, _ in chart.series] == ["CPU, fp32", "GPU, fp32", "GPU, bf16"]
    ((name, marks),) = chart.rows
    assert name == "gemm"
    assert [(mark.of, mark.value, mark.limit) for mark in marks] == [(0, 1e-7, 4e-6), (1, 2e-7, 4e-6), (2, 3e-6, 4e-6)]


def test_results_without_any_error_need_no_plot_of_errors():
    records = [factory.record(Case(name, batch_size=8), parity=parity(0.0)) for name in ("a", "b")]
    assert not [plot for plot in reported(*records).plots if plot.name == "parity"]


def in_two_groups(record):
    samples = tuple(s * (1.5 if i % 3 == 0 else 1.0) for i, s in enumerate(record.timing.samples))
    return replace(record, timing=replace(record.timing, samples=samples), flags=(TWO_GROUPS,))


def test_samples_in_two_groups_are_drawn_and_others_are_not():
    records = [factory.record(Case("w", batch_size=batch)) for batch in (1, 8, 64)]
    records[1:] = [in_two_groups(record) for record in records[1:]]
    chart = plot_of(reported(*records), "w_samples").chart
    assert isinstance(chart, MarkChart)
    assert [name for name, _ in chart.rows] == ["b8", "b64"]
    whole, *groups = chart.rows[0][1]
    timing = records[1].timing
    assert whole.raw == pytest.approx([sample / timing.median for sample in timing.samples])
    assert [group.value for group in groups] == pytest.approx([1.0, 1.5], abs=0.05)


def test_without_such_a_flag_there_is_no_plot_of_samples():
    assert not [plot for plot in reported(*factory.sweep("w", ("cpu",))).plots if plot.name == "w_samples"]
