"""The ladder's section: what naive timing would have reported, in words, plots and a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from bench_core.analysis.studies import newest
from bench_core.core import stats, text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import device_title
from bench_core.core.records import Run
from bench_core.core.stats import Interval
from bench_core.core.studies import LadderRung
from bench_core.report.plots.chart_types import RungChart, RungLine, Side
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import MachineLabels, machine_label
from bench_core.report.sections.study import Study, cpu_and_gpu
from bench_core.report.tables.marks import footnote, marked
from bench_core.report.tables.table import Column, Table, table

NAME = "What naive timing would have said"

Rungs = Mapping[str, LadderRung]
"""A device's rungs by name, from the first to the last."""


def ladder(runs: Iterable[Run], labels: MachineLabels) -> Study | None:
    """The section, from the newest ladder of each machine; ``None`` if no run has one."""
    counted = newest(runs, LadderRung.STUDY)
    if not counted:
        return None
    works = "; ".join(dict.fromkeys(rung.work for run in counted for rung in run.info.rows(LadderRung)))
    plots: list[Plot] = []
    tables: list[Table | None] = []
    sentences: list[str] = []
    for run in counted:
        letter, devices = labels[run.info.machine.hardware], by_device(run.info.rows(LadderRung))
        where = f"Machine {letter}: " if len(counted) > 1 else ""
        sentences += [where + sentence for sentence in _sentences(devices)]
        plots += _plots(run, devices, letter)
        tables.append(_table(f"{where}{works}, rung by rung", devices))
    about = (
        f"One training ({works}), first timed as common tutorials do it, then with one mistake corrected after the "
        "other. Each row is a rung of the ladder and keeps the corrections of the rungs above it. All rungs but the "
        "last are a single measurement, so they vary from run to run. Only the last rung is reliable: it is measured "
        "like all other results in this report. 'Off by' is the time of a rung divided by the time of the last rung."
    )
    return Study(NAME, about, tuple(sentences), tuple(plots), tuple(one for one in tables if one))


def by_device(rungs: Iterable[LadderRung]) -> Mapping[str, Rungs]:
    """The rungs of each device (``cpu``, ``cuda``, ...), by name."""
    devices: dict[str, dict[str, LadderRung]] = {}
    for rung in rungs:
        devices.setdefault(rung.device, {})[rung.rung] = rung
    return devices


def last(rungs: Rungs) -> LadderRung:
    """The last rung, which is the reference for all others."""
    return list(rungs.values())[-1]


def contended(rungs: Rungs) -> frozenset[str]:
    """The names of the rungs that were measured beside other work."""
    return frozenset(name for name, rung in rungs.items() if rung.contended)


def speedups(devices: Mapping[str, Rungs]) -> Mapping[str, float]:
    """CPU time / GPU time by rung, for the rungs that both have."""
    pair = cpu_and_gpu(devices)
    if pair is None:
        return {}
    cpu, gpu = pair
    return {name: rung.seconds / gpu[name].seconds for name, rung in cpu.items() if name in gpu}


def last_interval(devices: Mapping[str, Rungs]) -> Interval | None:
    """The confidence interval of the last rung's speedup; ``None`` unless both devices have one."""
    pair = cpu_and_gpu(devices)
    if pair is None:
        return None
    cpu, gpu = map(last, pair)
    if not (cpu.interval and gpu.interval):
        return None
    return stats.ratio_interval(cpu.seconds, cpu.interval, gpu.seconds, gpu.interval)


def _sentences(devices: Mapping[str, Rungs]) -> Iterable[str]:
    for device, rungs in devices.items():
        busy = contended(rungs)
        yield f"{device_title(device)}: " + (_no_conclusion(len(busy), len(rungs)) if busy else _conclusion(rungs))
    ratios = list(speedups(devices).values())
    if ratios and not any(map(contended, devices.values())):
        yield (
            f"By the first rung the GPU is {text.ratio(ratios[0])} as fast as the CPU; by the last, "
            f"{text.ratio(ratios[-1])}."
        )


def _conclusion(rungs: Rungs) -> str:
    first, reference = next(iter(rungs.values())), last(rungs)
    pairs = [(before, after) for before, after in pairwise(rungs.values()) if not _without_effect(after)]
    before, after = max(pairs, key=_change, default=(first, reference))
    return (
        f"the first rung reports {text.seconds(first.seconds)} per step, the last {text.seconds(reference.seconds)}, "
        f"so the first is off by {text.ratio(first.seconds / reference.seconds)}. The rung '{after.rung}' changes the "
        f"time most: from {text.seconds(before.seconds)} to {text.seconds(after.seconds)}."
    )


def _no_conclusion(busy: int, count: int) -> str:
    return (
        f"{busy} of {count} rungs {'was' if busy == 1 else 'were'} {BESIDE_OTHER_WORK}, so no conclusion is drawn. "
        "Measure the ladder again while nothing else runs."
    )


def _without_effect(rung: LadderRung) -> bool:
    """Whether a rung corrects nothing on its device: on a CPU, calls return when the work is done."""
    return rung.device == "cpu" and rung.rung == LadderRung.SYNCHRONIZE


def _change(pair: tuple[LadderRung, LadderRung]) -> float:
    return abs(math.log(pair[0].seconds / pair[1].seconds))


def _plots(run: Run, devices: Mapping[str, Rungs], letter: str) -> Iterable[Plot]:
    names = tuple(dict.fromkeys(name for rungs in devices.values() for name in rungs))
    work = run.info.rows(LadderRung)[0].work
    data = "; ".join(dict.fromkeys(rung.data for rung in run.info.rows(LadderRung)))
    footer = f"{machine_label(letter, run.info.machine)}. Data: {data}."
    lines = tuple(_line(device, rungs, names) for device, rungs in devices.items())
    ratios, busy = speedups(devices), frozenset[str]().union(*map(contended, devices.values()))
    yield Plot(
        name=file_name("ladder_time", letter),
        chart=RungChart(
            title=NAME,
            subtitle=f"Apparent time of a step of {work}; dashed: last rung",
            footer=footer,
            axis="Apparent time of a step",
            rungs=names,
            lines=lines,
            tick=partial(text.seconds, number=text.brief),
        ),
        alt="Apparent time of a training step by rung of the ladder, by device. The numbers are in the table below.",
    )
    if ratios:
        values = tuple((names.index(name), ratio) for name, ratio in ratios.items())
        yield Plot(
            name=file_name("ladder_speedup", letter),
            chart=RungChart(
                title="The speedup by naive timing",
                subtitle=f"Apparent R = CPU time / GPU time of {work}; above 1 the GPU is faster; dashed: last rung",
                footer=footer,
                axis="Apparent speedup R",
                rungs=names,
                lines=(RungLine("GPU against CPU", Side.GPU, values, last_interval(devices), _numbers(busy, names)),),
                tick=partial(text.ratio, number=text.brief),
                unity=True,
            ),
            alt="Apparent speedup of the GPU over the CPU by rung. The numbers are in the table below.",
        )


def _line(device: str, rungs: Rungs, names: Sequence[str]) -> RungLine:
    threads = last(rungs).threads
    on_cpu = device == "cpu"
    label = device_title(device) + (f", {threads} thread{'' if threads == 1 else 's'}" if on_cpu else "")
    values = tuple((names.index(name), rung.seconds) for name, rung in rungs.items())
    side = Side.CPU if on_cpu else Side.GPU
    return RungLine(label, side, values, last(rungs).interval, _numbers(contended(rungs), names))


def _numbers(some: Iterable[str], names: Sequence[str]) -> frozenset[int]:
    return frozenset(names.index(name) for name in some)


def _table(caption: str, devices: Mapping[str, Rungs]) -> Table | None:
    rungs = {name: rung for own in devices.values() for name, rung in own.items()}
    columns: list[Column[str]] = [Column("Rung", str), Column("What it corrects", lambda name: rungs[name].what)]
    for device, own in devices.items():
        times = {name: rung.seconds for name, rung in own.items()}
        heading = device_title(device)
        columns += _columns(f"{heading} time", f"{heading} off by", times, text.seconds, contended(own))
    ratios = speedups(devices)
    if ratios:
        busy = frozenset[str]().union(*map(contended, devices.values()))
        columns += _columns("Apparent R", "R off by", ratios, text.ratio, busy)
    return table(caption, columns, rungs, _notes(devices))


def _columns(
    heading: str,
    off_by: str,
    values: Mapping[str, float],
    words: Callable[[float | None], str],
    busy: frozenset[str],
) -> Iterable[Column[str]]:
    """The values by rung, and each divided by the last, unless one of the two is contended (``busy``)."""
    reference = list(values)[-1]

    def divided(name: str) -> float | None:
        return None if name not in values or {name, reference} & busy else values[name] / values[reference]

    yield Column(heading, lambda name: marked(words(values.get(name)), name in busy & values.keys()), numeric=True)
    yield Column(off_by, lambda name: text.ratio(divided(name)), numeric=True)


def _notes(devices: Mapping[str, Rungs]) -> Iterable[str]:
    naive = [rung for rungs in devices.values() for rung in rungs.values() if rung.interval is None]
    steps = " or ".join(text.whole(count) for count in sorted({rung.steps for rung in naive}))
    if steps:
        yield (
            f"Times are per step. All rungs but the last time {steps} steps once; what happens only once is divided by "
            "that number."
        )
    if any(_without_effect(rung) for rungs in devices.values() for rung in rungs.values()):
        yield (
            f"On a CPU the rung '{LadderRung.SYNCHRONIZE}' has no effect, since calls return when the work is done; "
            "its time differs from that of the rung above by chance."
        )
    intervals = [(device_title(device), last(rungs).interval) for device, rungs in devices.items()]
    ends = [f"{device} {text.seconds_interval(interval)}" for device, interval in intervals if interval]
    ratio = last_interval(devices)
    ends += [f"R {text.ratio_interval(ratio)}"] if ratio else []
    if ends:
        yield f"Confidence intervals of the last rung: {'; '.join(ends)}."
    yield from footnote(bool(contended(rungs)) for rungs in devices.values())
