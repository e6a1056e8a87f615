"""What a run says in the terminal: before the sweep what will be measured, after it what came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from bench_core.core.busy import busy_line, contended_line
from bench_core.core.records import CONTENDED, Outcome, Record
from bench_core.core.results import FlagCode
from bench_core.core.text import counted, duration
from bench_core.execution.progress import format_duration
from bench_core.execution.session import BenchSession
from bench_core.hardware import doctor, waiting

WORTH_A_FORECAST = 60.0
"""Seconds from which on it is said how right the forecast of the time left was."""
WORTH_A_LOOK = 10.0
"""Seconds from which on it is watched for a moment before the run whether other work interrupts this process. The cases
of a shorter run say so themselves."""
MAX_EXAMPLES = 3
"""Cases named of each kind of warning."""
FLAG_WORDS: Mapping[str, str] = {
    FlagCode.NOT_STEADY: "not steady at the end of warm-up",
    FlagCode.CROSS_CHECK: "twice the calls did not take twice the time",
    FlagCode.OWN_THREADS: "torch's own threads took the CPU from each other",
    FlagCode.TOO_MANY_THREADS: "more threads than usable cores",
    FlagCode.EMULATED_DTYPE: "the dtype is emulated by this CPU",
    FlagCode.PARITY_INCONCLUSIVE: "some quantity could not be compared with float64",
    FlagCode.STAGES_DO_NOT_ADD_UP: "the stages do not add up to a whole call",
    FlagCode.TWO_MODES: "the samples fall into two groups, and the median is in one of them",
}


def opening(session: BenchSession, *, only: bool = False) -> list[str]:
    """What will be measured, on what, and how long it will take; nothing without a case or study.

    ``only`` says that nothing follows, as where tests are only collected: then it includes what is left out, and
    nothing of what may disturb a run.
    """
    schedule, request = session.schedule, session.request
    if not schedule.total:
        return []
    sweep = request.sweep
    where = ", ".join(f"cpu ({sweep.usable_cpus} cores)" if d == "cpu" else d for d in sweep.devices)
    counts = ((schedule.total - session.studies, "case", "cases"), (session.studies, "study", "studies"))
    what = " and ".join(counted(*count) for count in counts if count[0])
    budget = f", budget {duration(request.budget)}" if request.budget else ""
    left = schedule.left()
    lines = [f"{what} on {where}, {format_duration(left)}{budget}"]
    lines += _shard(session)
    if "tf32" in sweep.dtypes and "cpu" in sweep.devices:
        lines.append("tf32 exists on GPUs only; on the CPU its counterpart fp32 is measured")
    policy = waiting.policy()
    lines += [f"waiting threads: {policy}"] if policy != waiting.DEFAULT else []
    if only:
        return [*lines, *_left_out(session)]
    checks = doctor.quick(watch=left >= WORTH_A_LOOK)
    lines += [f"{check.what}: {check.value}; {check.fix}" for check in checks if check.fix]
    return [*lines, *(["what is not measured here is listed at the end"] if session.not_run else [])]


def _shard(session: BenchSession) -> Iterator[str]:
    """Which part of a divided sweep this is, and how equal the parts are expected to be."""
    shard, division = session.selection.shard, session.selection.division
    if shard and division:
        seconds = division.seconds
        own, least, most = map(duration, (seconds[shard.index - 1], min(seconds), max(seconds)))
        where = "on the machine of the reference run"
        yield f"shard {shard.index} of {shard.count}, expected to take {own} {where}; all shards {least} to {most}"


def closing(session: BenchSession, saved: Path | None = None) -> list[str]:
    """What was measured, where it is stored, what is notable about it, and what has no result and why."""
    records = [one.record for one in session.measured.values()]
    lines = [*_summary(session), *_busy(records), *_notable(records)]
    if saved:
        lines += [f"stored: {saved}", f"to see it: python -m bench_core report{_unless_default(saved.parent)}"]
    if session.unstored_studies:
        names = ", ".join(session.unstored_studies)
        lines.append(f"not stored: {names}: a run is stored only if some case has a result")
    if session.journal and session.journal.problem:
        lines.append(session.journal.problem)
    if session.accelerator_broken_by:
        broken = f"{session.accelerator_broken_by} failed with an error of the accelerator"
        lines.append(f"isolated: {broken}, so later cases on it were measured in processes of their own")
    return [*lines, *_left_out(session)]


def _unless_default(folder: Path) -> str:
    """The folder as an argument of the report, which finds those below results/ by itself."""
    return "" if folder.parts[:1] == ("results",) else f" {shlex.quote(str(folder))}"


def _summary(session: BenchSession) -> Iterator[str]:
    if not session.measured:
        return
    schedule = session.schedule
    again = f", {counted(session.again, 'case', 'cases')} measured again" if session.again else ""
    budget = f" of {duration(schedule.budget)}" if schedule.budget else ""
    yield f"{counted(len(session.measured), 'case', 'cases')} measured in {duration(schedule.elapsed)}{budget}{again}"
    expected, took = schedule.forecast or (0.0, 0.0)
    if took >= WORTH_A_FORECAST:
        yield f"time left, forecast a tenth of the way on: {duration(expected)}; it took {duration(took)}"


def _busy(records: list[Record]) -> Iterator[str]:
    if not any(record.contended for record in records):
        return
    yield busy_line(records) or contended_line(records)


def _notable(records: Iterable[Record]) -> Iterator[str]:
    flagged: dict[str, list[Record]] = {}
    for record in records:
        for code in dict.fromkeys(flag.code for flag in record.flags):
            flagged.setdefault(code, []).append(record)
    for code, cases in flagged.items():
        if code not in CONTENDED:
            yield f"{FLAG_WORDS.get(code, code)}: {counted(len(cases), 'case', 'cases')}{_examples(cases)}"


def _examples(records: list[Record]) -> str:
    few = ", ".join(record.case.id for record in records[:MAX_EXAMPLES])
    return f", such as {few}" if len(records) > MAX_EXAMPLES else f" ({few})"


def _left_out(session: BenchSession) -> Iterator[str]:
    """Entries of the same outcome and reason in one line."""
    order = list(Outcome)
    entries = sorted(session.not_run, key=lambda entry: (order.index(entry.outcome), entry.reason))
    for (outcome, reason), group in groupby(entries, key=lambda entry: (entry.outcome, entry.reason)):
        yield f"{outcome}: {reason}: {'; '.join(entry.what for entry in group)}"
