"""The state of one benchmark run: its cases, progress and outcome. Does not import pytest."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_core import workloads
from bench_core.core.case import SWEEPS, Case, Effort
from bench_core.core.errors import OptionError, RecordError
from bench_core.core.records import NotRun, Outcome, Record, RunInfo
from bench_core.core.studies import Row
from bench_core.core.version import __version__
from bench_core.execution.options import Request
from bench_core.execution.progress import Progress, expected_seconds, format_duration, time_limit
from bench_core.execution.resume import Earlier, resumable
from bench_core.hardware import device, machine
from bench_core.storage.files import load
from bench_core.storage.folder import changes_of, commit_of
from bench_core.storage.journal import Journal, Rows
from bench_core.workloads.kit.building import why_unsupported
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import candidates, too_heavy

MAX_WARNINGS = 10


class BenchSession:
    """The state of a benchmark run, from the plan to the facts that are stored with it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.recorded = 0
        self.stopped = False
        self.journal: Journal | None = None
        self.earlier = Earlier()
        self._run_id = str(uuid.uuid4())
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._workloads: dict[Case, Workload] = {}
        self._planned = 0
        self._not_run: list[NotRun] = []
        self._flags: list[tuple[str, str]] = []
        self._studies: dict[str, tuple[dict[str, Any], ...]] = {}
        self._studied: list[str] = []
        self._studies_planned = 0
        self._studies_left: Counter[str] = Counter()
        self._progress = Progress({})

    def cases_of(self, family: str | None = None) -> list[Case]:
        """The cases of a family (or of all) that can be built here; the others are noted with their reasons.

        Raises ``OptionError`` for a family that does not exist.
        """
        families = dict.fromkeys(workload.family for workload in workloads.registry().values())
        if family is not None and family not in families:
            raise OptionError(f"bench_family: no family {family!r}; there are: {', '.join(families)}")
        cases: list[Case] = []
        for workload in self.request.workloads:
            if family is None or workload.family == family:
                cases += self._cases_of(workload)
        return cases

    def _cases_of(self, workload: Workload) -> list[Case]:
        sweep, cases = self.request.sweep, []
        unsupported = Counter[str]()
        for case in candidates(workload, sweep):
            reason = why_unsupported(workload, case)
            if reason:
                unsupported[reason] += 1
            else:
                cases.append(case)
                self._workloads[case] = workload
        for reason, count in unsupported.items():
            self._skip(f"{workload.name} ({_cases(count)})", reason)
        if workload.gpu_only and sweep.devices == ("cpu",):
            count = len(candidates(workload, replace(sweep, devices=("cuda",))))
            why = device.absence("cuda") or "cuda is not among the devices asked for"
            self._skip(f"{workload.name} ({_cases(count)})", f"needs a CUDA device: {why}")
        heavy = [case for case in too_heavy(workload, sweep) if not why_unsupported(workload, case)]
        if heavy:
            ids = ", ".join(case.id.removeprefix(f"{workload.name}-") for case in heavy)
            what = f"{workload.name} in a full sweep ({_cases(len(heavy))})"
            self._skip(what, f"too heavy by default, measured with --bench-sweep full: {ids}")
        return cases

    def _skip(self, what: str, reason: str, study: str | None = None) -> None:
        entry = NotRun(what, Outcome.SKIPPED, reason, study)
        if entry not in self._not_run:  # two tests may sweep the same family
            self._not_run.append(entry)

    def workload_of(self, case: Case) -> Workload:
        """The workload of a case, looked up by name only if the sweep did not make the case."""
        return self._workloads.get(case) or workloads.get(case.workload)

    def takes_study(self, name: str, workload: str, sweep: str) -> bool:
        """Whether this run includes a study of a workload; those that only a full sweep includes are counted."""
        if workload not in (w.name for w in self.request.workloads):
            return False
        left = sweep == "full" and self.request.sweep.kind != "full"
        self._studies_left[name] += left
        return not left

    def effort_for(self, workload: Workload) -> Effort:
        """How long a case of a workload may be measured."""
        effort = self.request.effort
        return replace(effort, max_time=time_limit(workload, effort.max_time))

    def plan(self, cases: Sequence[Case], others: int, storage: Path | None, studies: Mapping[str, float]) -> None:
        """Note the cases to come, how long each took in the last stored run, if there is one, and what will not be run.

        ``others`` is the number of tests that measure user code; ``studies`` are those to come, with their seconds.
        """
        known = _last_times(storage)
        max_time = self.request.effort.max_time
        self._planned, self._studies_planned = len(cases) + others, len(studies)
        expected = {case.id: expected_seconds(case, self.workload_of(case), max_time, known) for case in cases}
        self._progress = Progress(expected | dict(studies))
        for name, count in (+self._studies_left).items():
            what = f"{name} ({_counted(count, 'study', 'studies')})"
            self._skip(what, f"measured with --bench-sweep {SWEEPS[-1]}", study=name)
        absent = self._gpu_cases(cases) if device.present() == ("cpu",) else 0
        if absent and "--bench-device" not in self.request.given:
            absence = device.absence("cuda") or ""
            self._not_run.append(NotRun(f"cuda ({_cases(absent)})", Outcome.NOT_RUN, absence))

    def _gpu_cases(self, cases: Sequence[Case]) -> int:
        """How many cases a GPU would add to these families, apart from the workloads that need one, listed already."""
        families = {self.workload_of(case).family for case in cases}
        on_gpu = replace(self.request.sweep, devices=("cuda",))
        members = (w for w in self.request.workloads if w.family in families and not w.gpu_only)
        return sum(len(candidates(workload, on_gpu)) for workload in members)

    def opening_lines(self) -> list[str]:
        """What will be measured, on what, and how long it will take; nothing without a case or study."""
        if not self._progress.total:
            return []
        sweep = self.request.sweep
        where = ", ".join(f"cpu ({sweep.usable_cpus} cores)" if d == "cpu" else d for d in sweep.devices)
        studies = self._studies_planned
        counts = ((self._progress.total - studies, "case", "cases"), (studies, "study", "studies"))
        what = " and ".join(_counted(*count) for count in counts if count[0])
        lines = [f"bench-core: {what} on {where}, {format_duration(self._progress.left)}"]
        if "tf32" in sweep.dtypes and "cpu" in sweep.devices:
            lines.append("bench-core: tf32 exists on GPUs only; on the CPU its counterpart fp32 is measured")
        return lines + [f"bench-core: {line}" for line in self.closing_lines()]

    def closing_lines(self) -> list[str]:
        """What has no result and why, and which results have warnings."""
        lines = [f"{entry.outcome}: {entry.what}: {entry.reason}" for entry in self._not_run]
        if self._studies and not self.recorded:
            lines.append(f"not stored: {', '.join(self._studies)}: a run is stored only if some case has a result")
        if self.journal and self.journal.problem:
            lines.append(f"warning: {self.journal.problem}")
        lines += [f"warning: {name}: {flag}" for name, flag in self._flags[:MAX_WARNINGS]]
        more = len(self._flags) - MAX_WARNINGS
        return [*lines, f"and {more} more warnings, stored with their cases"] if more > 0 else lines

    def keep_journal(self, folder: Path, root: Path, resume: bool) -> None:
        """Note results in a journal from now on: a new one, or with ``resume`` that of the newest unfinished run.

        A run that is continued keeps its id and start. Raises ``BenchError`` if there is none that can be continued.
        """
        info, changes = self.info(root), changes_of(root)
        if not resume:
            self.journal = Journal.create(folder, info, changes)
            return
        self.journal, journaled = resumable(folder, info, changes)
        self.earlier = Earlier(journaled)
        self._run_id, self._started = journaled.info.run_id, journaled.info.started

    def end_journal(self, saved: bool) -> None:
        """Delete the journal if the complete run was saved or there is nothing in it; else leave it to be continued."""
        if self.journal is None:
            return
        has_results = self.recorded or self._studied or self.earlier.is_left
        if not has_results or (saved and not self.partial and not self.earlier.is_left):
            self.journal.remove()
            self.journal = None
        else:
            self.journal.close()

    def note_record(self, record: Record, shown: Mapping[str, Any] | None = None) -> None:
        """Count a case that has a result, and keep its warnings; ``shown`` is how pytest-benchmark names it."""
        self.recorded += 1
        if self.journal and record.case not in self.earlier:
            self.journal.note_record(record, shown)
        self._flags += [(record.case.id, flag.text) for flag in record.flags]

    def note_study(self, item: str, rows: Iterable[Row]) -> None:
        """Keep the rows of a study's item, to be stored with the run; the rows of several items are joined.

        They are kept as JSON data, so that ``RunInfo.rows`` reads them alike before and after they are stored.
        """
        stored: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            stored.setdefault(row.STUDY, []).append(json.loads(json.dumps(asdict(row), allow_nan=False)))
        self.note_rows(item, stored)
        if self.journal:
            self.journal.note_study(item, stored)

    def note_rows(self, item: str, rows: Rows) -> None:
        """Keep the rows of a study's item that are JSON data already."""
        for name, added in rows.items():
            self._studies[name] = (*self._studies.get(name, ()), *added)
        self._studied.append(item)

    def note_not_run(self, what: str, outcome: Outcome, reason: str) -> None:
        """Keep a case or study that has no result, with the reason."""
        entry = NotRun(what, outcome, reason)
        self._not_run.append(entry)
        if self.journal:
            self.journal.note_not_run(entry)

    @property
    def partial(self) -> bool:
        """Whether the run was stopped, or cases are left."""
        return self.stopped or self._progress.done < self._progress.total

    def progress_line(self, name: str, outcome: str) -> str:
        """The line of a case or study that is done: its position, its result or outcome, and the time left."""
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
            partial=self.partial,
            not_run=tuple(self._not_run),
            studies=dict(self._studies),
            studied=tuple(self._studied),
        )


def _cases(count: int) -> str:
    return _counted(count, "case", "cases")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _last_times(storage: Path | None) -> dict[str, float]:
    """Seconds that each case took in the newest readable run of a folder."""
    files = sorted(storage.rglob("*.json"), key=lambda path: path.name, reverse=True) if storage else []
    for path in files[:3]:
        try:
            return {record.case.id: record.wall_seconds for record in load(path).records}
        except RecordError:
            continue
    return {}
