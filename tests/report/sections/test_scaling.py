"""The section on scaling over ranks, and what it leaves alone."""

from typing import Any

import pytest

from bench_core.core.case import Case
from bench_core.core.ranks import RankTimes
from bench_core.report.content import analyze, content
from bench_core.report.sections.scaling import NAME
from tests.support import factory


def record(workload, batch, ranks, seconds, *, nodes=1, kind="train", variant="eager", threads=1, **times):
    case = Case(workload, batch_size=batch, variant=variant, threads=threads, ranks=ranks, nodes=nodes)
    medians = tuple(seconds / (1 + 0.1 * rank) for rank in range(ranks))
    hosts = tuple(("node-a", "node-b")[rank % 2] for rank in range(ranks))
    ranked = RankTimes("gloo", hosts, medians, **times)
    return factory.record(case, seconds, kind=kind, ranks=ranked)


DIVIDED = (
    record("ddp", 64, 1, 4e-3, communication=0.01),
    record("ddp", 64, 2, 2.5e-3, communication=0.25),
    record("ddp", 128, 1, 8e-3, communication=0.01),
    record("ddp", 128, 2, 5e-3, communication=0.2),
    record("all_reduce", 4096, 1, 1e-5, kind="op"),
    record("all_reduce", 4096, 2, 1e-4, kind="op", bus_bytes=4096.0),
    record("all_reduce", 65536, 2, 2e-4, kind="op", bus_bytes=65536.0),
)
ALONE = tuple(factory.sweep(devices=("cpu",)))


@pytest.fixture(scope="module")
def page():
    return content(analyze([factory.run([*ALONE, *DIVIDED], factory.machine(gpu=False))]))


@pytest.fixture(scope="module")
def section(page):
    return next(study for study in page.studies if study.name == NAME)


def columns(table):
    return {heading: [row[i] for row in table.rows] for i, heading in enumerate(table.headings)}


def test_strong_and_weak_scaling_have_speedup_efficiency_and_communication(section):
    cells = columns(section.tables[0])
    assert sorted(zip(cells["Scaling"], cells["Batch size"], cells["Efficiency"], strict=True)) == [
        ("strong", "128", "80.0%"),
        ("strong", "64", "80.0%"),
        ("weak", "128", "80.0%"),
    ]
    assert set(cells["Speedup"]) == {"1.60×"}
    assert cells["Communication"] == ["25.0%", "20.0%", "20.0%"]


def test_collectives_have_a_bandwidth_and_the_ranks_a_spread(section):
    bandwidth, ranks = map(columns, section.tables[1:])
    assert bandwidth["Bus bandwidth, bytes/s"] == ["41.0M", "328M"]
    assert set(ranks["Slowest rank's median over the fastest's"]) == {"10.0% more"}
    assert "hosts node-a, node-b" in section.tables[2].caption


def test_plots_have_the_ideal_line_and_the_message_size(section):
    scaling, bandwidth = (plot.chart for plot in section.plots)
    ideal = next(line for line in scaling.lines if line.label == "ideal")
    assert [(point.batch, point.value) for point in ideal.points] == [(1, 1.0), (2, 2.0)]
    assert (scaling.over, bandwidth.over) == ("Ranks", "Message size in bytes")
    (line,) = bandwidth.lines
    assert [point.batch for point in line.points] == [4096, 65536]
    assert line.points[0].interval[0] < line.points[0].value < line.points[0].interval[1]


def test_variants_and_threads_have_rows_and_lines_of_their_own():
    divided = [
        record(workload, 4096, ranks, 4e-3 / ranks, variant=variant, threads=threads, kind=kind, bus_bytes=bus_bytes)
        for ranks in (1, 2)
        for workload, kind, bus_bytes in (("ddp", "train", None), ("all_reduce", "op", 4096.0 if ranks > 1 else None))
        for variant, threads in (("eager", 1), ("eager", 2), ("fsdp", 1))
    ]
    page = content(analyze([factory.run([*ALONE, *divided], factory.machine(gpu=False))]))
    section = next(study for study in page.studies if study.name == NAME)
    words = ("CPU, 1 thread, eager", "CPU, 2 threads, eager", "CPU, 1 thread, fsdp")
    charts: list[Any] = [plot.chart for plot in section.plots]
    scaling, bandwidth = charts
    points = {line.label: [point.batch for point in line.points] for line in scaling.lines}
    assert points == {"ideal": [1, 2], **{f"strong, batch 4,096, {word}": [1, 2] for word in words}}
    assert {line.label for line in bandwidth.lines} == {f"all_reduce, 2 ranks, {word}" for word in words}
    cells = columns(section.tables[0])
    assert sorted(zip(cells["Device"], cells["Variant"], strict=True)) == sorted(
        tuple(word.rsplit(", ", 1)) for word in words
    )


def test_ranks_on_one_node_and_on_several_have_rows_and_lines_of_their_own():
    divided = [
        record("ddp", 64, 1, 4e-3),
        record("all_reduce", 64, 4, 1e-5, kind="op", bus_bytes=96.0),
        record("all_reduce", 64, 4, 1e-4, kind="op", bus_bytes=96.0, nodes=2),
        *(record("ddp", 64, 2 * nodes, 2e-3 / nodes, nodes=nodes) for nodes in (1, 2, 3)),
        record("ddp", 64, 4, 1e-3),
    ]
    page = content(analyze([factory.run([*ALONE, *divided], factory.machine(gpu=False))]))
    section = next(study for study in page.studies if study.name == NAME)
    cells = columns(section.tables[0])
    assert sorted(zip(cells["Ranks"], cells["Nodes"], strict=True)) == [("2", "1"), ("4", "1"), ("4", "2"), ("6", "3")]
    charts: list[Any] = [plot.chart for plot in section.plots]
    scaling, bandwidth = charts
    assert {line.label: [point.batch for point in line.points] for line in scaling.lines} == {
        "strong, batch 64": [1, 2, 4],
        "strong, batch 64, 2 ranks a node": [1, 4, 6],
        "ideal": [1, 6],
    }
    assert [line.label for line in bandwidth.lines] == ["all_reduce, 4 ranks", "all_reduce, 4 ranks on 2 nodes"]
    assert "eager, 4 ranks on 2 nodes" in columns(section.tables[1])["Variant"]


def test_other_comparisons_are_those_of_undivided_work(page):
    without = content(analyze([factory.run(ALONE, factory.machine(gpu=False))]))
    assert page.threads == without.threads
    assert page.answers == without.answers
    assert page.summary == without.summary
    assert page.brief == without.brief
    assert all(study.name != NAME for study in without.studies)
