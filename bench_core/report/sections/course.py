"""The section on the runs of courses: what their clock reports, and what that time consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.studies import newest
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import device_title
from bench_core.core.records import Run
from bench_core.core.studies import CourseRun
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.study import Study, by_workload, cpu_and_gpu
from bench_core.report.tables.marks import footnote, marked
from bench_core.report.tables.table import Column, Table, table

NAME = "What a course's clock measures"

ByDevice = Mapping[str, CourseRun]
"""A workload's runs by device (``cpu``, ``cuda``, ...), the CPU first."""


def course(runs: Iterable[Run], labels: MachineLabels) -> Study | None:
    """The section, from the newest run of each machine with rows of it; ``None`` if no run has any."""
    counted = newest(runs, CourseRun.STUDY)
    if not counted:
        return None
    tables: list[Table | None] = []
    sentences: list[str] = []
    for run in counted:
        where = f"Machine {labels[run.info.machine.hardware]}: " if len(counted) > 1 else ""
        timed = by_workload(run.info.rows(CourseRun))
        for name, devices in timed.items():
            sentences += [f"{where}{name}, {sentence}" for sentence in _sentences(devices)]
        tables.append(_table(f"{where}Training as in courses, and its parts", timed))
    about = (
        "Beginners' courses train for some epochs between two calls of time.time(), on the CPU and then on the GPU, "
        "and compare the two times. Here the same script runs, in a fresh process for each device. Next to its time "
        "are the parts of the same work by this suite's rules: the first step on an unused device (once), and for all "
        "steps loading, copying and training, each measured alone, with the device synchronized. On a GPU these parts "
        "overlap, so together they may take longer than the script. What the device still had to do when the clock "
        "was read is what the script misses without a synchronization."
    )
    return Study(NAME, about, tuple(sentences), (), tuple(one for one in tables if one))


def _sentences(devices: ByDevice) -> Iterable[str]:
    for device, row in devices.items():
        yield f"{device_title(device)}: {_no_conclusion() if row.contended else _composition(row)}"
    pair = cpu_and_gpu(devices)
    if pair is None or any(row.contended for row in pair):
        return
    cpu, gpu = pair
    yield (
        f"GPU compared with CPU: {text.ratio(cpu.seconds / gpu.seconds)} as fast by the course's clock, "
        f"{text.ratio(cpu.train / gpu.train)} in the training step alone."
    )


def _composition(row: CourseRun) -> str:
    def part(seconds: float) -> str:
        return f"{text.seconds(seconds)} ({text.share(seconds / row.seconds)})"

    return (
        f"the course's clock reports {text.seconds(row.seconds)} for {row.epochs} epochs ({text.whole(row.steps)} "
        f"steps). Measured alone, loading takes {part(row.steps * row.load)} of it, copying "
        f"{part(row.steps * row.copy)}, training {part(row.steps * row.train)}, and the first step "
        f"{part(row.first)}. When the clock was read, {text.seconds(row.unfinished)} of work were left."
    )


def _no_conclusion() -> str:
    return f"{BESIDE_OTHER_WORK}, so no conclusion is drawn. Measure again while nothing else runs."


def _table(caption: str, timed: Mapping[str, ByDevice]) -> Table | None:
    columns: tuple[Column[CourseRun], ...] = (
        Column("Workload", lambda row: row.workload),
        Column("Data", lambda row: row.data, once=True),
        Column("Device", _device),
        Column("Epochs", lambda row: text.whole(row.epochs), numeric=True, once=True),
        Column("Steps", lambda row: text.whole(row.steps), numeric=True),
        Column("Course's clock", lambda row: marked(text.seconds(row.seconds), row.contended), numeric=True),
        Column("Left when read", lambda row: text.seconds(row.unfinished), numeric=True),
        Column("First step", lambda row: text.seconds(row.first), numeric=True),
        Column("Loading", lambda row: text.seconds(row.steps * row.load), numeric=True),
        Column("Copying", lambda row: text.seconds(row.steps * row.copy), numeric=True),
        Column("Training", lambda row: text.seconds(row.steps * row.train), numeric=True),
        Column("Parts together", lambda row: text.seconds(row.explained), numeric=True),
        Column("Device model", lambda row: row.device_model),
    )
    rows = [row for devices in timed.values() for row in devices.values()]
    return table(caption, columns, rows, _notes(rows))


def _device(row: CourseRun) -> str:
    threads = f", {row.threads} thread{'' if row.threads == 1 else 's'}"
    return device_title(row.device) + threads * (row.device == "cpu")


def _notes(rows: Sequence[CourseRun]) -> Iterable[str]:
    for row in rows:
        name = f"{row.workload} on the {device_title(row.device)}"
        yield (
            f"95% CI per step, {name}: loading {text.seconds_interval(row.load_interval)}, copying "
            f"{text.seconds_interval(row.copy_interval)}, training {text.seconds_interval(row.train_interval)}."
        )
    yield "The course's clock, what was left and the first step are single measurements without a confidence interval."
    yield from footnote(row.contended for row in rows)
