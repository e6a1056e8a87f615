"""Facts about machines and runs, and about what has no figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Pool
from bench_core.core import text
from bench_core.core.records import NotRun, Run
from bench_core.core.results import Machine
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.study import newest
from bench_core.report.tables.table import Column, Table, table


def machine_labels(runs: Iterable[Run]) -> MachineLabels:
    """A letter for each machine, by its hardware, in the order of first use."""
    hardware = dict.fromkeys(run.info.machine.hardware for run in runs)
    return {name: chr(ord("A") + i) if i < 26 else str(i + 1) for i, name in enumerate(hardware)}


def subtitle(runs: Sequence[Run], figures: int, workloads: int) -> str:
    """How much is in the report, and when it was measured."""
    machines = len({run.info.machine.hardware for run in runs})
    days = sorted(run.info.started[:10] for run in runs)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    counts = ((workloads, "workload"), (figures, "case"), (machines, "machine"), (len(runs), "run"))
    return f"{', '.join(_plural(n, word) for n, word in counts)}; measured {when} (UTC)"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def partial_runs(runs: Iterable[Run], pooled: Pool, labels: MachineLabels) -> Iterable[str]:
    """A warning for each run that did not come to its end, unless newer runs hold all that it has."""
    used = {figure.info.run_id for figure in pooled.figures}
    for run in runs:
        if run.info.partial and (run.info.run_id in used or not run.records):
            letter, held = labels[run.info.machine.hardware], f"{len(run.records)} of {run.info.planned} planned cases"
            yield f"The run of {_when(run)} UTC on machine {letter} is partial: it did not end, and holds {held}."


def _when(run: Run) -> str:
    return run.info.started[:16].replace("T", " ")


def machines(runs: Sequence[Run], labels: MachineLabels) -> Table:
    """One column a machine, one row a property; where runs of one machine differ, all values."""
    by_hardware: dict[str, list[Machine]] = {}
    for run in runs:
        by_hardware.setdefault(run.info.machine.hardware, []).append(run.info.machine)
    rows = []
    for name, read in _PROPERTIES.items():
        cells = [" or ".join(dict.fromkeys(read(machine) for machine in found)) for found in by_hardware.values()]
        rows.append((name, *cells))
    return Table(
        caption="Machines",
        headings=("", *(f"Machine {labels[hardware]}" for hardware in by_hardware)),
        numeric=(False,) * (1 + len(by_hardware)),
        rows=tuple(rows),
    )


def _gpus(machine: Machine) -> str:
    gpus = [f"{g.model}, {text.memory(g.memory)}, compute capability {g.compute_capability}" for g in machine.gpus]
    return "; ".join(gpus) or "none"


_PROPERTIES: Mapping[str, Callable[[Machine], str]] = {
    "CPU": lambda m: m.cpu,
    "Cores": lambda m: f"{m.usable_cpus} usable of {m.logical_cpus}",
    "CPU instructions": lambda m: m.cpu_capability,
    "Memory": lambda m: text.memory(m.memory),
    "GPU": _gpus,
    "GPU driver": lambda m: m.driver or text.NONE,
    "CUDA, cuDNN": lambda m: f"{m.cuda or text.NONE}, {m.cudnn or text.NONE}",
    "torch, torchvision": lambda m: f"{m.torch}, {m.torchvision or text.NONE}",
    "Python": lambda m: m.python,
    "System": lambda m: f"{m.os}, kernel {m.kernel}",
}


def runs_table(runs: Sequence[Run], pooled: Pool, labels: MachineLabels) -> Table:
    """Which runs the figures come from."""
    used: dict[str, int] = {}
    for figure in pooled.figures:
        used[figure.info.run_id] = used.get(figure.info.run_id, 0) + 1
    columns: tuple[Column[Run], ...] = (
        Column("Started (UTC)", _when),
        Column("Machine", lambda run: labels[run.info.machine.hardware]),
        Column("Commit", lambda run: (run.info.commit or text.NONE)[:10] + (" and changes" if run.info.dirty else "")),
        Column("bench-core", lambda run: run.info.version),
        Column("Options", lambda run: " ".join(f"{name}={value}" for name, value in run.info.options.items())),
        Column("Planned cases", lambda run: str(run.info.planned), numeric=True),
        Column("Measured", lambda run: str(len(run.records)), numeric=True),
        Column("Shown here", lambda run: str(used.get(run.info.run_id, 0)), numeric=True),
        Column("State", lambda run: "partial" if run.info.partial else "whole"),
        Column("File", lambda run: run.path.name),
    )
    made = table("Runs", columns, runs)
    assert made is not None, "there is at least one run"
    return made


def not_run(runs: Sequence[Run], labels: MachineLabels) -> Table | None:
    """What has no figure and why; of several runs on one machine the newest word counts."""
    found: dict[tuple[str, str], NotRun] = {}
    for run in sorted(runs, key=lambda run: run.info.started):
        hardware = run.info.machine.hardware
        for record in run.records:
            found.pop((hardware, record.case.id), None)
        for item in run.info.studied:
            found.pop((hardware, item), None)
        for entry in run.info.not_run:
            found[hardware, entry.what] = entry
    for (hardware, what), entry in list(found.items()):
        if entry.study and any(run.info.machine.hardware == hardware for run in newest(runs, entry.study)):
            del found[hardware, what]  # what a default sweep left to the full one
    columns: tuple[Column[tuple[str, NotRun]], ...] = (
        Column("Machine", lambda item: labels[item[0]]),
        Column("What", lambda item: item[1].what),
        Column("Outcome", lambda item: str(item[1].outcome)),
        Column("Why", lambda item: item[1].reason),
    )
    return table("Without a figure", columns, [(hardware, entry) for (hardware, _), entry in found.items()])


def skipped(runs: Iterable[Run], pooled: Pool) -> Iterable[str]:
    """What was in the stored files and is not in the report."""
    if pooled.older:
        records = _plural(pooled.older, "older record")
        yield f"{records} not shown: the same case was measured again on the same machine, and the newest counts."
    if pooled.other_software:
        records = _plural(pooled.other_software, "record")
        yield f"{records} not shown: measured with other software than this machine's newest run; report those alone."
    for run in runs:
        yield from (f"Skipped: {note}" for note in run.skipped)


def work(figures: Sequence[Result]) -> str:
    """What a workload is, in a line; what differs between its settings is left out."""
    records = [figure.record for figure in figures]
    parameters = {record.parameters for record in records}
    flops = {None if record.flops is None else record.flops / record.units for record in records}
    unit = records[0].unit
    parts = [records[0].kind, f"unit: {unit}"]
    parts += [f"{text.whole(count)} parameters" for count in parameters if count and len(parameters) == 1]
    parts += [f"{text.count(count)} FLOP per {unit}" for count in flops if count and len(flops) == 1 and unit != "FLOP"]
    return " · ".join([*parts, f"data: {'; '.join(dict.fromkeys(record.data for record in records))}"])


def about(figures: Sequence[Result]) -> str:
    """What a workload does and where it is from, in the words stored with its newest figure."""
    newest = max(figures, key=lambda figure: figure.info.started).record
    return f"{newest.summary} Source: {newest.source}"
