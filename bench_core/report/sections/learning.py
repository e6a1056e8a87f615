"""The section on learning: how long each training takes to be good, in words and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench_core.core import text
from bench_core.core.records import Run
from bench_core.core.studies import TimeToAccuracy
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.ladder import DEVICE_NAMES
from bench_core.report.sections.study import Study, newest
from bench_core.report.tables.table import Column, Table, table

NAME = "Does it learn?"

ByDevice = Mapping[str, TimeToAccuracy]
"""A workload's trainings by device (``cpu``, ``cuda``), the CPU first."""


def learning(runs: Iterable[Run], labels: MachineLabels) -> Study | None:
    """The section, from the newest run of each machine that has trained; ``None`` where none has."""
    found = newest(runs, TimeToAccuracy.STUDY)
    if not found:
        return None
    tables: list[Table | None] = []
    sentences: list[str] = []
    for run in found:
        where = f"Machine {labels[run.info.machine.hardware]}: " if len(found) > 1 else ""
        trained = by_workload(run.info.rows(TimeToAccuracy))
        sentences += [f"{where}{name}{_sentence(rows)}" for name, rows in trained.items()]
        tables.append(_table(f"{where}Training until the target", trained))
    about = (
        "A faster step that does not learn is worth nothing. Here each training, with its own model, loss and "
        "optimizer in fp32, goes through its whole training set, shuffled anew each time, until it names so many test "
        "images rightly. The targets are this suite's own choice: a right training reaches them soon, one that does "
        "not learn stays near one image in ten. Only training is timed: preparing the data, the first call of all and "
        "finding the accuracy are not. Devices begin with the same weights and see the same images in the same order, "
        "but round differently, so they may need different numbers of steps. Each is one training, with no interval: "
        "another seed takes another number of steps."
    )
    return Study(NAME, about, tuple(sentences), (), tuple(made for made in tables if made))


def by_workload(rows: Iterable[TimeToAccuracy]) -> Mapping[str, ByDevice]:
    """The trainings of each workload by device."""
    found: dict[str, dict[str, TimeToAccuracy]] = {}
    for row in sorted(rows, key=lambda row: list(DEVICE_NAMES).index(row.device)):
        found.setdefault(row.workload, {})[row.device] = row
    return found


def _sentence(rows: ByDevice) -> str:
    one = next(iter(rows.values()))
    told = [f"the {DEVICE_NAMES[device]} {_outcome(row)}" for device, row in rows.items()]
    images = f"{text.whole(one.test_size)} test images ({one.data})"
    asked = f", asked for {text.share(one.target)} of {images}: {'; '.join(told)}."
    cpu, gpu = rows.get("cpu"), rows.get("cuda")
    if not (cpu and gpu and cpu.met and gpu.met):
        return asked
    return f"{asked} To get there the GPU is {text.ratio(cpu.seconds / gpu.seconds)} as fast as the CPU."


def _outcome(row: TimeToAccuracy) -> str:
    steps, seconds = text.whole(row.steps), text.seconds(row.seconds)
    if row.met:
        return f"takes {seconds} ({steps} steps)"
    return f"does not reach it: {text.share(row.accuracy)} after {seconds} ({steps} steps)"


def _table(caption: str, trained: Mapping[str, ByDevice]) -> Table | None:
    columns: tuple[Column[TimeToAccuracy], ...] = (
        Column("Workload", lambda row: row.workload),
        Column("Data", lambda row: row.data),
        Column("Test images", lambda row: text.whole(row.test_size), numeric=True, once=True),
        Column("Target", lambda row: text.share(row.target), numeric=True),
        Column("Device", _device),
        Column("Batch", lambda row: text.whole(row.batch_size), numeric=True),
        Column("Steps", lambda row: text.whole(row.steps), numeric=True),
        Column("Images", lambda row: text.whole(row.units), numeric=True),
        Column("Time", lambda row: text.seconds(row.seconds), numeric=True),
        Column("Reached", lambda row: text.share(row.accuracy), numeric=True),
        Column("Outcome", lambda row: "reached" if row.met else "not reached"),
        Column("Device model", lambda row: row.device_model),
    )
    rows = [row for found in trained.values() for row in found.values()]
    return table(caption, columns, rows, _notes(rows))


def _device(row: TimeToAccuracy) -> str:
    return DEVICE_NAMES[row.device] + (
        f", {row.threads} thread{'' if row.threads == 1 else 's'}" * (row.device == "cpu")
    )


def _notes(rows: Sequence[TimeToAccuracy]) -> Iterable[str]:
    looks = {row.workload: row.eval_interval for row in rows}
    yield (
        "The accuracy was looked at after every so many steps, which is how finely steps and time are known: "
        f"{', '.join(f'{name} {text.whole(every)}' for name, every in looks.items())}."
    )
    if stand_in := next((row.data for row in rows if row.stand_in), ""):
        yield (
            f"The {stand_in} is not MNIST: fewer images, enlarged and repeated; its test images count once each. How "
            "long a training takes on MNIST itself is measured with --bench-data."
        )
