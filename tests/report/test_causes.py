"""What the report says about causes: regimes, ceilings, and the bounds of GPUs."""

from dataclasses import replace

import pandas as pd
import pytest

from bench_core import report
from bench_core.core.counts import CallCounts
from bench_core.report.content import analyze, content
from bench_core.report.plots.chart_types import DotChart, PanelChart
from bench_core.report.sections.causes import POTENTIAL, WHY
from tests.support import factory

ON_CPU = factory.machine(gpu=False)


def work(name, flops, operators, traffic, **changes):
    """A sweep of a workload whose calls do so much per unit."""
    records = factory.sweep(name, ("cpu",), kind="infer", **changes)
    return [
        replace(
            r,
            flops=flops * r.units,
            counts=CallCounts(operators, traffic * r.units, traffic * r.units, traffic * r.units),
        )
        for r in records
    ]


# At 4 µs a unit on a CPU with 1e12 FLOP/s and 4e10 bytes/s in memory.
BUSY_WITH_FLOPS = work("flops", 2 * 10**6, 1, 10)
BUSY_WITH_BYTES = work("bytes", 10**3, 1, 10**6, costs={"cpu": factory.Cost(2e-5, 1e-4)})
BUSY_WITH_CALLS = work("calls", 10, 2 * 10**4, 10)


def reported(*records, on=ON_CPU, ceilings=("cpu",)):
    return content(analyze([factory.run(records, on, ceilings=factory.ceilings(ceilings))]))


def section(of, name):
    return next((study for study in of.studies if study.name == name), None)


def test_regimes_are_counted_and_ceilings_listed():
    found = section(reported(*BUSY_WITH_FLOPS, *BUSY_WITH_BYTES, *BUSY_WITH_CALLS), WHY)
    (sentence,) = found.sentences
    assert sentence == "Machine A, 18 cases: 6 bandwidth-bound, 6 compute-bound, 6 host-bound."
    table = found.tables[0]
    assert [row[0] for row in table.rows] == ["CPU, 16 threads", "CPU, 1 thread"]
    assert "1.00T" in table.rows[0]
    assert "2.00T" in table.rows[0]


def test_without_ceilings_there_is_no_word_of_causes():
    silent = content(analyze([factory.run(BUSY_WITH_FLOPS, ON_CPU)]))
    assert section(silent, WHY) is None
    assert section(silent, POTENTIAL) is None
    assert all(not isinstance(plot.chart, PanelChart) for plot in silent.plots)


def test_each_workload_has_a_table_of_what_bounds_its_cases():
    (family,) = reported(*BUSY_WITH_BYTES).families.values()
    (table,) = [t for t in family[0].tables if t.caption.startswith("What it is bound by")]
    column = dict(zip(table.headings, zip(*table.rows, strict=True), strict=True))
    assert set(column["Bound by"]) == {"bandwidth"}
    assert len(column["Memory traffic"]) == 6


def test_the_first_picture_groups_workloads_by_what_bounds_them():
    (plot, *_) = reported(*BUSY_WITH_FLOPS, *BUSY_WITH_BYTES, *BUSY_WITH_CALLS).overview
    chart = plot.chart
    assert isinstance(chart, PanelChart)
    assert chart.groups == {
        "Arithmetic": ("flops",),
        "Memory bandwidth": ("bytes",),
        "Python and torch": ("calls",),
    }
    share, gain, bound = ([figure.value for figure in panel.figures if figure] for panel in chart.panels)
    assert share[0] == pytest.approx(0.5, rel=0.05)
    assert gain[0] == pytest.approx((1e-5 + 64 * 1.4e-5) / (2e-5 + 64 * 4e-6), rel=0.05)
    assert bound[2] < 1.0


def test_no_gpu_is_worth_it_where_the_bound_is_below_one():
    found = section(reported(*BUSY_WITH_FLOPS, *BUSY_WITH_CALLS), POTENTIAL)
    assert found.sentences == ("No GPU can be worth it for calls: the bound is below 1.",)
    assert "not a measurement" in found.about


def test_bounds_are_for_machines_without_a_gpu_only():
    on_gpu = reported(*factory.sweep(), on=factory.machine(), ceilings=("cpu", "cuda"))
    assert section(on_gpu, POTENTIAL) is None
    assert section(on_gpu, WHY) is not None


def test_speedups_are_grouped_where_there_are_several_groups():
    few = factory.sweep("few")
    heavy = [replace(r, flops=10**12 * r.units) for r in factory.sweep("heavy")]
    (plot, *_) = reported(*few, *heavy, on=factory.machine(), ceilings=("cpu", "cuda")).overview
    assert isinstance(plot.chart, DotChart)
    assert [row.label for row in plot.chart.rows] == ["Arithmetic", "heavy", "Python and torch", "few"]


@pytest.mark.usefixtures("empty_plots")
def test_the_files_have_the_figures(tmp_path):
    report.write([factory.run(BUSY_WITH_BYTES, ON_CPU, ceilings=factory.ceilings(("cpu",)))], tmp_path / "out")
    cases = pd.read_csv(tmp_path / "out" / "cases.csv")
    assert set(cases["bound_by"]) == {"bandwidth"}
    assert cases[cases["threads"] == 16]["share_of_ceiling"].between(0.1, 0.6).all()
    row = cases[(cases["batch_size"] == 64) & (cases["threads"] == 16)].iloc[0]
    assert row["bytes_read_per_call"] == 64 * 10**6
    seconds = 2 * 64 * 10**6 / row["bytes_per_second"]
    assert row["bandwidth_seconds"] == pytest.approx(seconds * row["share_of_ceiling"], rel=1e-4)
    bounds = pd.read_csv(tmp_path / "out" / "gpu_bounds.csv")
    assert set(bounds["batch_size"]) == set(factory.BATCHES)
    parts = bounds[["issue_seconds", "loader_seconds", "bandwidth_seconds", "compute_seconds"]].max(axis=1)
    expected = bounds["cpu_seconds_per_call"] / parts
    assert bounds["speedup_bound"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-4)
