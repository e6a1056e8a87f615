"""What terminal, page and plots say alike of steps and series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench_core.analysis.change_points import MIN_VALUES
from bench_core.analysis.history.steps import Findings, Step
from bench_core.core import text
from bench_core.storage.naming import SHOWN
from bench_core.storage.values import BYTES, SECONDS, TIME, Origin, SeriesId

WHERE = ("device", "threads", "machine", "software")


def value(number: float, unit: str) -> str:
    """A value with its unit, such as ``1.02 ms``."""
    if unit == SECONDS:
        return text.seconds(number)
    return text.memory(round(number)) if unit == BYTES else f"{text.significant(number)} {unit}".rstrip()


def title(series: SeriesId) -> str:
    """The case, and the metric unless it is the time."""
    return series.case if series.metric == TIME else f"{series.case}, {series.metric}"


def differences(ids: Iterable[SeriesId]) -> Mapping[SeriesId, str]:
    """What tells each series from others of the same title, such as its machine; empty if there is no other."""
    ids = tuple(ids)
    together: dict[str, list[SeriesId]] = {}
    for of in ids:
        together.setdefault(title(of), []).append(of)
    names: dict[SeriesId, str] = {}
    for group in together.values():
        fields = [name for name in WHERE if len({getattr(of, name) for of in group}) > 1]
        names |= {of: where(of, fields) for of in group}
    return names


def where(series: SeriesId, fields: Iterable[str] = WHERE) -> str:
    """On what it was measured."""
    words = {
        "device": series.device,
        "threads": "" if series.threads is None else text.counted(series.threads, "thread", "threads"),
        "machine": series.machine,
        "software": series.software,
    }
    return "; ".join(words[name] for name in fields if words[name])


def time(origin: Origin) -> str:
    """When a run was started, to the minute."""
    return origin.started[:16].replace("T", " ")


def commit(origin: Origin) -> str:
    """The commit of a run as ``git describe --dirty`` marks it; the run's id if the commit is not known."""
    if not origin.commit:
        return f"run {origin.run}" if origin.run else "unknown commit"
    return origin.commit[:SHOWN] + ("-dirty" if origin.dirty else "")


def interval(step: Step) -> str:
    """The interval of a step, such as ``+3.9% to +6.4%``."""
    low, high = step.point.interval
    return f"{text.change(low)} to {text.change(high)}"


def levels(step: Step) -> str:
    """The level before and after."""
    unit = step.series.id.unit
    return f"{value(step.point.before, unit)} -> {value(step.point.after, unit)}"


def status(step: Step, brief: bool = False) -> str:
    """Whether a step is a candidate, has been undone (``brief``: on which day), or undoes another; may be empty."""
    undone = ""
    if step.undone:
        when = step.undone.started[:10] if brief else f"{time(step.undone)} with {commit(step.undone)}"
        undone = f"{'recovered' if step.is_regression else 'lost again'} {when}"
    words = (
        "candidate" if step.point.candidate else "",
        undone,
        "undoes an earlier step" if step.recovery else "",
    )
    return ", ".join(word for word in words if word)


def what_was_read(findings: Findings) -> str:
    """Runs, series and machines."""
    collected = findings.collected
    span = f", {collected.span[0][:10]} to {collected.span[1][:10]}" if collected.span else ""
    return (
        f"{text.counted(collected.runs, 'run', 'runs')}{span}: "
        f"{text.counted(len(findings.series), 'series', 'series')} on "
        f"{text.counted(collected.machines, 'machine', 'machines')}"
    )


def left_out(findings: Findings) -> list[str]:
    """What is not in a series, or has no steps, and why; one sentence each."""
    left = findings.collected.left_out
    records = ("record", "records")
    counts = (
        (findings.too_short, "series", "series", f"too short for steps (fewer than {MIN_VALUES} values)"),
        (left.contended, *records, "left out: measured beside other work"),
        (left.emulated, *records, "left out: of an emulated GPU, whose times mean nothing"),
        (left.unusable, "value", "values", "left out: not positive and finite"),
    )
    return [f"{text.counted(number, one, many)} {reason}" for number, one, many, reason in counts if number]
