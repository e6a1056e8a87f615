"""The section on time to accuracy: how long each training takes to reach its target, in words and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.studies import newest
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import device_title
from bench_core.core.records import Run
from bench_core.core.studies import TimeToAccuracy
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.study import Study, by_workload, cpu_and_gpu
from bench_core.report.tables.marks import footnote, marked
from bench_core.report.tables.table import Column, Table, table

NAME = "Does it learn?"

ByDevice = Mapping[str, TimeToAccuracy]
"""A workload's trainings by device (``cpu``, ``cuda``, ...), the CPU first."""


def learning(runs: Iterable[Run], labels: MachineLabels) -> Study | None:
    """The section, from the newest run of each machine with trainings; ``None`` if no run has any."""
    counted = newest(runs, TimeToAccuracy.STUDY)
    if not counted:
        return None
    tables: list[Table | None] = []
    sentences: list[str] = []
    for run in counted:
        where = f"Machine {labels[run.info.machine.hardware]}: " if len(counted) > 1 else ""
        trained = by_workload(run.info.rows(TimeToAccuracy))
        sentences += [f"{where}{name}{_sentence(rows)}" for name, rows in trained.items()]
        tables.append(_table(f"{where}Training until the target", trained))
    about = (
        "A faster training step is worth nothing if the model does not learn. Here each training, with its own model, "
        "loss and optimizer in fp32, runs epoch after epoch over its training set, in a new order each epoch, until "
        "it reaches a target test accuracy. The targets are this suite's own choice: a correct training reaches them "
        "soon; one that does not learn stays at about 10%. Only training is timed, without data preparation, the very "
        "first call and the evaluation of the accuracy. All devices start with the same weights and see the same "
        "images in the same order, but they round differently and may need different numbers of steps. Each row is a "
        "single training without a confidence interval: with another seed the number of steps differs."
    )
    return Study(NAME, about, tuple(sentences), (), tuple(one for one in tables if one))


def _sentence(rows: ByDevice) -> str:
    one = next(iter(rows.values()))
    outcomes = [f"the {device_title(device)} {_outcome(row)}" for device, row in rows.items()]
    images = f"{text.whole(one.test_size)} test images ({one.data})"
    sentence = f", target accuracy {text.share(one.target)} on {images}: {'; '.join(outcomes)}."
    pair = cpu_and_gpu(rows)
    if pair is None or not all(training.met for training in pair):
        return sentence
    cpu, gpu = pair
    if cpu.contended or gpu.contended:
        return f"{sentence} Which is faster is not judged: {BESIDE_OTHER_WORK}."
    return f"{sentence} The GPU reaches it {text.ratio(cpu.seconds / gpu.seconds)} as fast as the CPU."


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
        Column("Target accuracy", lambda row: text.share(row.target), numeric=True),
        Column("Device", _device),
        Column("Batch size", lambda row: text.whole(row.batch_size), numeric=True),
        Column("Steps", lambda row: text.whole(row.steps), numeric=True),
        Column("Images", lambda row: text.whole(row.units), numeric=True),
        Column("Time", lambda row: marked(text.seconds(row.seconds), row.contended), numeric=True),
        Column("Test accuracy", lambda row: text.share(row.accuracy), numeric=True),
        Column("Outcome", lambda row: "reached" if row.met else "not reached"),
        Column("Device model", lambda row: row.device_model),
    )
    rows = [row for devices in trained.values() for row in devices.values()]
    return table(caption, columns, rows, _notes(rows))


def _device(row: TimeToAccuracy) -> str:
    threads = f", {row.threads} thread{'' if row.threads == 1 else 's'}"
    return device_title(row.device) + threads * (row.device == "cpu")


def _notes(rows: Sequence[TimeToAccuracy]) -> Iterable[str]:
    intervals = {row.workload: row.eval_interval for row in rows}
    yield (
        "The accuracy was evaluated only after every so many steps, which limits the resolution of steps and time: "
        f"{', '.join(f'{name} every {text.whole(steps)} steps' for name, steps in intervals.items())}."
    )
    if stand_in := next((row.data for row in rows if row.stand_in), ""):
        yield (
            f"The {stand_in} is not MNIST: it has fewer images, which are enlarged and repeated; each test image "
            "counts once. To measure the time on MNIST itself, use --bench-data."
        )
    yield from footnote(row.contended for row in rows)
