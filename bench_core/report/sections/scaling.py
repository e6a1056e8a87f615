"""Several ranks: what they give over one, what is lost to communication, and how fast data moves between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from bench_core.analysis.comparison import Result
from bench_core.analysis.scaling import Scaling, bus_bandwidth, scalings
from bench_core.core import text
from bench_core.core.case import Case
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Line, LineChart, Point, Side
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.study import Study
from bench_core.report.tables import marks
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Column, Table, table

NAME = "Scaling over ranks"
ABOUT = (
    "Several processes, called ranks, work together. Before each timed block they wait for each other, and the time of "
    "the slowest one counts. Strong scaling: all ranks together do what one did. Weak scaling: each rank does as much "
    "as one did. The speedup is the ratio of units per second over one rank with the same threads a rank; efficiency "
    "is the speedup per rank, 100% where nothing is lost. Communication is the share of a call that a call without it "
    "saves, measured in turns. Bus bandwidth is that of nccl-tests: the bytes that the slowest link must carry, over "
    "the time; it does not depend on the number of ranks."
)


def scaling(results: Iterable[Result], columns: Columns) -> Study | None:
    """The section; ``None`` if nothing was measured over ranks."""
    divided = [result for result in results if result.record.ranks]
    if not divided:
        return None
    pairs = scalings(divided)
    moving = [result for result in divided if bus_bandwidth(result.record)]
    plots = (*_speedup_plots(pairs, columns.labels), *_bandwidth_plots(moving, columns.labels))
    tables = (_scaling_table(pairs, columns), _bandwidth_table(moving, columns), _ranks_table(divided, columns))
    return Study(NAME, ABOUT, (), plots, tuple(one for one in tables if one))


def _scaling_table(pairs: Sequence[Scaling], columns: Columns) -> Table | None:
    cells: tuple[Column[Scaling], ...] = (
        Column("Workload", lambda s: s.over.case.workload),
        Column("Machine", lambda s: columns.label(s.over), once=True),
        Column("Device", lambda s: marks.marked(series.device_words(s.over), s.contended)),
        Column("Setting", lambda s: s.over.case.setting, once=True),
        Column("Dtype", lambda s: s.over.case.dtype, once=True),
        Column("Variant", lambda s: s.over.case.variant, once=True),
        Column("Scaling", lambda s: s.kind),
        Column("Ranks", lambda s: text.whole(s.ranks), numeric=True),
        Column("Nodes", lambda s: text.whole(s.over.case.nodes), numeric=True, once=True),
        Column("Batch size", lambda s: text.whole(s.over.case.batch_size), numeric=True),
        Column("One rank", lambda s: text.seconds(s.base.record.timing.median), numeric=True),
        Column("All ranks", lambda s: text.seconds(s.over.record.timing.median), numeric=True),
        Column("Speedup", lambda s: text.ratio(s.speedup), numeric=True),
        Column("CI of speedup", lambda s: text.ratio_interval(s.interval), numeric=True),
        Column("Efficiency", lambda s: _share(s.efficiency), numeric=True),
        Column("CI of efficiency", _shares, numeric=True),
        Column("Communication", lambda s: _communication(s.over), numeric=True),
    )
    return table("Several ranks against one", cells, pairs, marks.footnote(s.contended for s in pairs))


def _share(value: float | None) -> str:
    return text.NONE if value is None else f"{100 * value:.1f}%"


def _shares(scaled: Scaling) -> str:
    interval = scaled.efficiency_interval
    return text.NONE if interval is None else " to ".join(map(_share, interval))


def _communication(result: Result) -> str:
    return _share(result.record.ranks.communication if result.record.ranks else None)


def _bandwidth_table(moving: Sequence[Result], columns: Columns) -> Table | None:
    cells: tuple[Column[Result], ...] = (
        Column("Collective", lambda r: r.case.workload),
        *columns.case(),
        Column("Time per call", lambda r: text.seconds(r.record.timing.median), numeric=True),
        Column("CI", _interval_of_call, numeric=True),
        Column("Bus bandwidth, bytes/s", lambda r: text.count(bus_bandwidth(r.record)), numeric=True),
    )
    return table("Collectives", cells, moving, marks.of_results(moving))


def _interval_of_call(result: Result) -> str:
    return text.seconds_interval(result.record.timing.interval)


def _ranks_table(divided: Sequence[Result], columns: Columns) -> Table | None:
    """How the ranks of each case compare."""

    def facts(result: Result) -> tuple[str, str, str]:
        ranks = result.record.ranks
        assert ranks is not None, "results without ranks are filtered out before"
        return ranks.backend, ", ".join(dict.fromkeys(ranks.hosts)), f"{100 * ranks.spread:.1f}% more"

    cells: tuple[Column[Result], ...] = (
        Column("Workload", lambda r: r.case.workload),
        *columns.case(),
        Column("Threads a rank", lambda r: text.whole(r.record.threads), numeric=True),
        Column("Backend", lambda r: facts(r)[0], once=True),
        Column("Hosts", lambda r: facts(r)[1], once=True),
        Column("Slowest rank's median over the fastest's", lambda r: facts(r)[2], numeric=True),
    )
    several = [result for result in divided if (result.case.ranks or 1) > 1]
    return table("Ranks compared with each other", cells, several, marks.of_results(several))


def _speedup_plots(pairs: Sequence[Scaling], labels: MachineLabels) -> Iterable[Plot]:
    by_workload: dict[str, list[Scaling]] = defaultdict(list)
    for pair in pairs:
        by_workload[pair.over.case.workload].append(pair)
    for name, own in by_workload.items():
        footer = series.machines_footer([pair.over for pair in own], labels)
        most = max(pair.ranks for pair in own)
        ideal = Line("ideal", Side.CPU_ONE_THREAD, (_exact(1), _exact(most)))
        chart = LineChart(
            title=name,
            subtitle="Speedup over one rank; higher is better",
            footer=footer,
            lines=(*_speedup_lines(own, labels), ideal),
            tick=partial(text.ratio, number=text.brief),
            over="Ranks",
        )
        alt = f"{name}: speedup over one rank by the number of ranks. The numbers are in the table below."
        caption = "Bars are confidence intervals; the black line is perfect scaling."
        yield Plot(file_name(name, "scaling"), chart, alt, caption)


def _speedup_lines(own: Sequence[Scaling], labels: MachineLabels) -> Iterable[Line]:
    """Lines for each kind of scaling from each base (a machine, and what one rank does there): one for the ranks of one
    node, and one for each number of ranks a node where there are several."""
    groups: dict[tuple[str, str, Case, str], list[Scaling]] = defaultdict(list)
    for pair in own:
        groups[pair.kind, pair.base.machine.hardware, pair.base.case, _on_each_node(pair.over.case)].append(pair)
    places = _places([members[0].base for members in groups.values()], labels)
    for ((kind, _, base, on_each), members), place in zip(groups.items(), places, strict=True):
        points = [Point(s.ranks, s.speedup, s.interval, contended=s.contended) for s in members]
        label = f"{kind}, batch {text.whole(base.batch_size)}{' a rank' if kind == 'weak' else ''}"
        ordered = sorted(points, key=lambda point: point.batch)
        yield Line(label + on_each + place, _side(members[0].over), (_exact(1), *ordered))


def _on_each_node(case: Case) -> str:
    """The number of ranks a node, to be appended to a label; empty for the ranks of one node."""
    if case.nodes == 1:
        return ""
    each = (case.ranks or 1) / case.nodes
    return f", {each:g} {'rank' if each == 1 else 'ranks'} a node"


def _exact(ranks: int) -> Point:
    """The speedup that perfect scaling gives."""
    return Point(ranks, float(ranks), (float(ranks), float(ranks)))


def _places(results: Sequence[Result], labels: MachineLabels) -> list[str]:
    """What distinguishes lines besides what they show, to be appended to their labels."""
    words = series.differing(
        [series.device_words(result) for result in results],
        [result.case.setting for result in results],
        [result.case.dtype for result in results],
        [result.case.variant for result in results],
        [f"machine {labels[result.machine.hardware]}" for result in results],
    )
    return [f", {word}" if word else "" for word in words]


def _side(result: Result) -> Side:
    return Side.GPU if result.on_gpu else Side.CPU


def _bandwidth_plots(moving: Sequence[Result], labels: MachineLabels) -> Iterable[Plot]:
    if not moving:
        return
    groups: dict[tuple[str, Case], list[Result]] = defaultdict(list)
    for result in moving:
        groups[series.line_key(result)].append(result)
    lines = []
    places = _places([own[0] for own in groups.values()], labels)
    for ((_, case), own), place in zip(groups.items(), places, strict=True):
        ordered = sorted(own, key=lambda result: result.case.batch_size)
        label = f"{case.workload}, {case.ranks_label}{place}"
        lines.append(Line(label, _side(own[0]), tuple(map(_bandwidth_point, ordered))))
    footer = series.machines_footer(moving, labels)
    chart = LineChart(
        title="Collectives",
        subtitle="Bus bandwidth in bytes/s; higher is better",
        footer=footer,
        lines=tuple(lines),
        tick=partial(text.count, number=text.brief),
        over="Message size in bytes",
    )
    alt = "Bus bandwidth of each collective over the size of the message. The numbers are in the table below."
    yield Plot(file_name("collectives", "bandwidth"), chart, alt, "Bus bandwidth is defined as in nccl-tests.")


def _bandwidth_point(result: Result) -> Point:
    record = result.record
    moved, interval = record.ranks and record.ranks.bus_bytes, record.timing.interval
    assert moved, "results without a bandwidth are filtered out before"
    within = interval and (moved / interval[1], moved / interval[0])
    return Point(result.case.batch_size, moved / record.timing.median, within, contended=record.contended)
