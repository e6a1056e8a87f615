"""What one benchmark run knows of itself: its cases, progress and outcome. Knows no pytest."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_core import __version__, device, machine, text, workloads
from bench_core.options import Request
from bench_core.records import NotRun, Record, RunInfo, load
from bench_core.runner import Effort
from bench_core.schema import RecordError
from bench_core.spec import Case
from bench_core.storage import commit_of
from bench_core.sweep import budget, candidates, expected_seconds, grouped, in_words, too_heavy

MOST_WARNINGS = 10


class BenchSession:
    """The state of a benchmark run, from the plan to the facts that are stored of it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.recorded = 0
        self._run_id = str(uuid.uuid4())
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._refused: list[tuple[Case, str]] = []
        self.stopped = False
        self._planned = 0
        self._not_run: list[NotRun] = []
        self._flags: list[tuple[str, str]] = []
        self._studies: dict[str, Any] = {}
        self._studies_planned = 0
        self._studies_left: Counter[str] = Counter()
        self._progress = Progress({})

    def cases_of(self, family: str) -> list[Case]:
        """The cases of a family that can be built here; the others are kept with their reasons."""
        sweep, found = self.request.sweep, []
        for name in self.request.workloads:
            workload = workloads.get(name)
            if workload.family != family:
                continue
            for case in candidates(workload, sweep):
                reason = workloads.refusal(case)
                if reason:
                    self._refused.append((case, reason))
                else:
                    found.append(case)
            if workload.gpu_only and "cuda" not in sweep.devices:
                count = len(candidates(workload, replace(sweep, devices=("cuda",))))
                why = device.cuda_absence() or "cuda is not among the devices asked for"
                self._not_run.append(NotRun(f"{name} ({_cases(count)})", "skipped", f"needs a CUDA device: {why}"))
            heavy = [case for case in too_heavy(workload, sweep) if not workloads.refusal(case)]
            if heavy:
                ids = ", ".join(case.id.removeprefix(f"{name}-") for case in heavy)
                reason = f"too heavy by default, measured with --bench-sweep full: {ids}"
                self._not_run.append(NotRun(f"{name} in a full sweep ({_cases(len(heavy))})", "skipped", reason))
        return found

    def takes_study(self, name: str, workload: str, sweep: str) -> bool:
        """Whether a study of a workload is made in this run; what only a full sweep would make is kept in mind."""
        if workload not in self.request.workloads:
            return False
        left = sweep == "full" and self.request.sweep.kind != "full"
        self._studies_left[name] += left
        return not left

    def effort_for(self, case: Case) -> Effort:
        """How long a case of this suite may be measured."""
        effort = self.request.effort
        return Effort(effort.rel_ci, effort.confidence, budget(workloads.get(case.workload), effort.max_time))

    def plan(self, cases: Sequence[Case], others: int, storage: Path | None, studies: Mapping[str, float]) -> None:
        """Note the cases to come, how long each took last time (if a run is stored), and what will not be run.

        ``others`` counts tests that measure work of their own; ``studies`` are those to come, with their seconds.
        """
        known = _last_times(storage)
        max_time = self.request.effort.max_time
        self._planned, self._studies_planned = len(cases) + others, len(studies)
        expected = {case.id: expected_seconds(case, workloads.get(case.workload), max_time, known) for case in cases}
        self._progress = Progress(expected | dict(studies))
        for (name, reason), count in grouped(self._refused).items():
            self._not_run.append(NotRun(f"{name} ({_cases(count)})", "skipped", reason))
        for name, count in (+self._studies_left).items():
            what = f"{name} ({_counted(count, 'study', 'studies')})"
            self._not_run.append(NotRun(what, "skipped", "measured with --bench-sweep full"))
        absence, absent = device.cuda_absence(), self._gpu_cases(cases)
        if absence and absent and "--bench-device" not in self.request.given:
            self._not_run.append(NotRun(f"cuda ({_cases(absent)})", "not run", absence))

    def _gpu_cases(self, cases: Sequence[Case]) -> int:
        """How many cases a GPU would add to these families, beside the workloads that are listed as needing one."""
        families = {workloads.get(case.workload).family for case in cases}
        members = [w for name in self.request.workloads if (w := workloads.get(name)).family in families]
        members = [w for w in members if not w.gpu_only]
        on_gpu = replace(self.request.sweep, devices=("cuda",))
        return sum(len(candidates(workload, on_gpu)) for workload in members)

    def opening_lines(self) -> list[str]:
        """What will be measured, on what, and how long it will take; nothing where no case is of this suite."""
        if not self._progress.total:
            return []
        sweep = self.request.sweep
        where = ", ".join(f"cpu ({sweep.usable_cpus} cores)" if d == "cpu" else d for d in sweep.devices)
        studies = self._studies_planned
        counts = ((self._progress.total - studies, "case", "cases"), (studies, "study", "studies"))
        what = " and ".join(_counted(*count) for count in counts if count[0])
        lines = [f"bench-core: {what} on {where}, {in_words(self._progress.left)}"]
        if "tf32" in sweep.dtypes and "cpu" in sweep.devices:
            lines.append("bench-core: tf32 exists on GPUs only; on the CPU its counterpart fp32 is measured")
        return lines + [f"bench-core: {line}" for line in self.closing_lines()]

    def closing_lines(self) -> list[str]:
        """What has no figure and why, and which figures to be wary of."""
        lines = [f"{entry.outcome}: {entry.what}: {entry.reason}" for entry in self._not_run]
        if self._studies and not self.recorded:
            lines.append(f"not stored: {', '.join(self._studies)}: a run is stored only if some case has its figure")
        lines += [f"warning: {name}: {flag}" for name, flag in self._flags[:MOST_WARNINGS]]
        more = len(self._flags) - MOST_WARNINGS
        return [*lines, f"and {more} more warnings, stored with their cases"] if more > 0 else lines

    def note_record(self, record: Record) -> None:
        """Count a case that has its figure, and keep its warnings."""
        self.recorded += 1
        self._flags += [(record.case.id, flag) for flag in record.flags]

    def note_study(self, name: str, rows: Sequence[Any]) -> None:
        """Keep what a study found, to be stored in the field ``name`` of ``RunInfo``; further rows are added to it.

        Raises ``ValueError`` where there is no such field, at once and not when the run is to be stored.
        """
        if name not in {field.name for field in fields(RunInfo)}:
            raise ValueError(f"no study {name!r}: RunInfo has no such field")
        self._studies[name] = (*self._studies.get(name, ()), *rows)

    def note_not_run(self, what: str, outcome: str, reason: str) -> None:
        """Keep a case that has no figure, with the reason."""
        self._not_run.append(NotRun(what, outcome, reason))

    def progress_line(self, name: str, outcome: str) -> str:
        """The line of a case or study that is done: its place, its figure or outcome in words, and the time left."""
        return self._progress.line(name, outcome)

    def info(self, root: Path) -> RunInfo:
        """The run's facts, to be stored; the commit is that of the checkout at ``root``."""
        commit, dirty = commit_of(root)
        return RunInfo(
            run_id=self._run_id,
            started=self._started,
            version=__version__,
            machine=machine.fingerprint(),
            commit=commit,
            dirty=dirty,
            options=dict(self.request.given),
            planned=self._planned,
            partial=self.stopped or self._progress.done < self._progress.total,
            not_run=tuple(self._not_run),
            **self._studies,
        )


def _cases(count: int) -> str:
    return _counted(count, "case", "cases")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


class Progress:
    """How far a run is, and how long the rest will take at the pace so far."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        self.total = len(expected)
        self.left = sum(expected.values())
        self.done = 0
        self._expected = expected
        self._spent = 0.0
        self._begun = time.monotonic()

    def line(self, name: str, outcome: str) -> str:
        """Count a case as done and tell of it."""
        seconds = self._expected.get(name, 0.0)
        self.done += 1
        self.left -= seconds
        self._spent += seconds
        pace = (time.monotonic() - self._begun) / self._spent if self._spent else 1.0
        rest = f"{in_words(self.left * pace)} left" if self.done < self.total else ""
        head = f"[{self.done:>{len(str(self.total))}}/{self.total}] {name}"
        return f"{head:<60s} {outcome:<24s} {rest}".rstrip()


def figure(record: Record) -> str:
    """A case's figure in a few words."""
    t = record.timing
    if t.rel_half_width is None:
        return f"{text.seconds(t.median):>8s} (no interval: {t.count} samples, {t.effective_samples:.0f} independent)"
    missed = "" if t.met_target else f" (aimed at ±{100 * t.rel_ci:g}%)"
    return f"{text.seconds(t.median):>8s} ±{100 * t.rel_half_width:.1f}%{missed}"


def _last_times(storage: Path | None) -> dict[str, float]:
    """Seconds that each case took in the newest readable run of a folder."""
    files = sorted(storage.rglob("*.json"), key=lambda path: path.name, reverse=True) if storage else []
    for path in files[:3]:
        try:
            return {record.case.id: record.wall_seconds for record in load(path).records}
        except RecordError:
            continue
    return {}
