"""Facts about machines and runs, and about what has no result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Pool
from bench_core.analysis.studies import newest
from bench_core.core import text
from bench_core.core.machine import Gpu, Machine
from bench_core.core.records import NotRun, Outcome, Run
from bench_core.report.plots.series import MachineLabels
from bench_core.report.tables.table import Column, Folded, Table, table

Missing = Sequence[tuple[str, NotRun]]
"""What has no result, each with the hardware of its machine."""


def machine_labels(runs: Iterable[Run], others: Iterable[Run] = ()) -> MachineLabels:
    """A letter for each machine, by its hardware, in the order of their first runs; ``others`` are runs of machines
    that are only the other side, which their labels say."""
    at_hand = list(dict.fromkeys(run.info.machine.hardware for run in runs))
    elsewhere = list(dict.fromkeys(run.info.machine.hardware for run in others))
    letters = {name: chr(ord("A") + i) if i < 26 else str(i + 1) for i, name in enumerate([*at_hand, *elsewhere])}
    return letters | {name: f"{letters[name]} (another machine)" for name in elsewhere}


def other_machines(runs: Sequence[Run], others: Iterable[Run], labels: MachineLabels) -> Iterable[str]:
    """A line for each machine that is only the other side: whose GPU it is, and what that means."""
    own = " and ".join(dict.fromkeys(labels[run.info.machine.hardware] for run in runs))
    newest_first = sorted(others, key=lambda run: run.info.started)
    for run in {run.info.machine.hardware: run for run in newest_first}.values():
        machine = run.info.machine
        yield (
            f"The GPU is another machine's: machine {labels[machine.hardware]}, {machine.label}, measured "
            f"{run.info.started[:10]}. Its figures are compared with the CPU of machine {own}. In one machine "
            "with this GPU the ratio may differ, since its CPU launches the work."
        )


def subtitle(runs: Sequence[Run], cases: int, workloads: int) -> str:
    """How much the report covers, and when it was measured."""
    machines = len({run.info.machine.hardware for run in runs})
    days = sorted(run.info.started[:10] for run in runs)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    counts = ((workloads, "workload"), (cases, "case"), (machines, "machine"), (len(runs), "run"))
    return f"{', '.join(_plural(n, word) for n, word in counts)}; measured {when} (UTC)"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def emulated_machines(runs: Iterable[Run], labels: MachineLabels) -> Iterable[str]:
    """A warning for each machine whose GPU was emulated."""
    for letter in dict.fromkeys(labels[run.info.machine.hardware] for run in runs if run.info.machine.emulated):
        yield f"The GPU of machine {letter} was emulated: its times mean nothing."


def partial_runs(runs: Iterable[Run], pooled: Pool, labels: MachineLabels) -> Iterable[str]:
    """A warning for each run that did not finish, unless newer runs have replaced all of its records."""
    used = {result.info.run_id for result in pooled.results}
    for run in runs:
        if run.info.partial and (run.info.run_id in used or not run.records):
            letter, measured = labels[run.info.machine.hardware], f"{len(run.records)} of {run.info.planned}"
            again = ", though it was resumed" if run.info.resumed else ""
            yield (
                f"The run of {when(run)} UTC on machine {letter} is partial: it was stopped early{again}, and contains "
                f"only {measured} planned cases."
            )


def when(run: Run) -> str:
    """The minute in which a run started."""
    return run.info.started[:16].replace("T", " ")


def machines(runs: Sequence[Run], labels: MachineLabels) -> Table:
    """One column per machine, one row per property; all values if the runs of one machine differ."""
    by_hardware: dict[str, list[Machine]] = {}
    for run in runs:
        by_hardware.setdefault(run.info.machine.hardware, []).append(run.info.machine)
    rows = []
    for name, read in _PROPERTIES.items():
        cells = [" or ".join(dict.fromkeys(read(machine) for machine in same)) for same in by_hardware.values()]
        rows.append((name, *cells))
    return Table(
        caption="Machines",
        headings=("", *(f"Machine {labels[hardware]}" for hardware in by_hardware)),
        numeric=(False,) * (1 + len(by_hardware)),
        rows=tuple(rows),
    )


def _gpus(machine: Machine) -> str:
    return "; ".join(map(_gpu, machine.gpus)) or "none"


def _gpu(gpu: Gpu) -> str:
    capability = f", compute capability {gpu.compute_capability}" if gpu.compute_capability else ""
    return f"{gpu.model}, {text.memory(gpu.memory)}{capability}"


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
    """The runs that the results are from."""
    used = Counter(result.info.run_id for result in pooled.results)
    columns: tuple[Column[Run], ...] = (
        Column("Started (UTC)", when),
        Column("Machine", lambda run: labels[run.info.machine.hardware]),
        Column("Commit", lambda run: (run.info.commit or text.NONE)[:10] + (", modified" if run.info.dirty else "")),
        Column("bench-core", lambda run: run.info.version),
        Column("Options", lambda run: " ".join(f"{name}={value}" for name, value in run.info.options.items())),
        Column("Planned cases", lambda run: str(run.info.planned), numeric=True),
        Column("Measured", lambda run: str(len(run.records)), numeric=True),
        Column("Shown here", lambda run: str(used[run.info.run_id]), numeric=True),
        Column("State", _state),
        Column("File", lambda run: run.path.name),
    )
    runs_shown = table("Runs", columns, runs)
    assert runs_shown is not None, "there is at least one run"
    return runs_shown


def _state(run: Run) -> str:
    state = "partial" if run.info.partial else "complete"
    shard = f", shard {run.info.shard.index} of {run.info.shard.count}" if run.info.shard else ""
    joined = f", joined from {len(run.info.joined)} shards" if run.info.joined else ""
    return state + (", resumed" if run.info.resumed else "") + shard + joined


def without_result(runs: Sequence[Run]) -> Missing:
    """What has no result, by the hardware of its machine; if several runs of one machine differ, the newest counts."""
    missing: dict[tuple[str, str], NotRun] = {}
    for run in sorted(runs, key=lambda run: run.info.started):
        hardware = run.info.machine.hardware
        for record in run.records:
            missing.pop((hardware, record.case.id), None)
        for item in run.info.studied:
            missing.pop((hardware, item), None)
        for entry in run.info.not_run:
            missing[hardware, entry.what] = entry
    for (hardware, what), entry in list(missing.items()):
        if entry.study and any(run.info.machine.hardware == hardware for run in newest(runs, entry.study)):
            del missing[hardware, what]  # a default sweep left the study out, but another run has it
    return [(hardware, entry) for (hardware, _), entry in missing.items()]


def not_run(missing: Missing, labels: MachineLabels) -> Table | None:
    """What has no result, and why, apart from the many that were not run for one reason: see ``left``."""
    columns: tuple[Column[tuple[str, NotRun]], ...] = (
        Column("Machine", lambda item: labels[item[0]]),
        Column("What", lambda item: item[1].what),
        Column("Outcome", lambda item: str(item[1].outcome)),
        Column("Reason", lambda item: item[1].reason),
    )
    many = _many_left(missing)
    entries = [item for item in missing if _reason(item) not in many]
    return table("Cases and studies without a result", columns, entries)


def left(missing: Missing, labels: MachineLabels) -> Iterable[Folded]:
    """The cases that were not run, one list for each machine and reason, such as that the time was used up."""
    for (hardware, reason), names in _many_left(missing).items():
        where = f"Machine {labels[hardware]}: " if len(labels) > 1 else ""
        yield Folded(f"{where}{len(names)} not run: {reason}", tuple(names))


def _many_left(missing: Missing) -> Mapping[tuple[str, str], list[str]]:
    """What was not run, by machine and reason, where there are several with the same."""
    groups: dict[tuple[str, str], list[str]] = {}
    for hardware, entry in missing:
        if entry.outcome == Outcome.NOT_RUN:
            groups.setdefault((hardware, entry.reason), []).append(entry.what)
    return {key: names for key, names in groups.items() if len(names) > 1}


def _reason(item: tuple[str, NotRun]) -> tuple[str, str]:
    hardware, entry = item
    return (hardware, entry.reason) if entry.outcome == Outcome.NOT_RUN else ("", "")


def skipped(runs: Iterable[Run], pooled: Pool) -> Iterable[str]:
    """What is in the stored files but not in the report."""
    if pooled.older:
        records = _plural(pooled.older, "older record")
        yield f"{records} not shown: there is a newer record of the same case on the same machine."
    if pooled.other_software:
        records = _plural(pooled.other_software, "record")
        yield (
            f"{records} not shown: the machine's newest run has other software versions. To see them, report their "
            "runs alone."
        )
    for run in runs:
        yield from (f"Skipped: {note}" for note in run.skipped)


def work(results: Sequence[Result]) -> str:
    """What a workload is, in one line; what differs between its settings is left out."""
    records = [result.record for result in results]
    parameters = {record.parameters for record in records}
    flops = {None if record.flops is None else record.flops / record.units for record in records}
    unit = records[0].unit
    parts = [f"kind: {records[0].kind}", f"unit: {unit}"]
    parts += [f"{text.whole(count)} parameters" for count in parameters if count and len(parameters) == 1]
    parts += [f"{text.count(count)} FLOP per {unit}" for count in flops if count and len(flops) == 1 and unit != "FLOP"]
    return " · ".join([*parts, f"data: {'; '.join(dict.fromkeys(record.data for record in records))}"])


def about(results: Sequence[Result]) -> str:
    """What a workload does and where it is from, as stored with its newest record."""
    newest_record = max(results, key=lambda result: result.info.started).record
    return f"{newest_record.summary} Source: {newest_record.source}"
