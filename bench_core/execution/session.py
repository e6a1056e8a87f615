"""The state of a benchmark run: its plan, what has been measured, and the facts to be stored of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench_core.core.case import Case, Effort
from bench_core.core.machine import Machine
from bench_core.core.records import NotRun, Outcome, Record, RunInfo
from bench_core.core.studies import Row
from bench_core.core.version import __version__
from bench_core.execution import progress
from bench_core.execution.again import Measured, wanted
from bench_core.execution.expected import known_costs
from bench_core.execution.options import Request
from bench_core.execution.resume import Earlier, resumable
from bench_core.execution.schedule import Schedule, time_limit
from bench_core.execution.selection import Selection
from bench_core.hardware import machine
from bench_core.storage.folder import changes_of, commit_of
from bench_core.storage.journal import Journal, Rows
from bench_core.workloads.kit.definition import Workload

Replace = Callable[[Sequence[float], Record], None]
"""Puts other samples and another record in the place of a case's first ones."""


class BenchSession:
    """The state of a benchmark run, from the plan to the facts that are stored with it."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.selection = Selection(request)
        self.schedule = Schedule({}, {})
        self.stopped = False
        self.measured: dict[Case, Measured] = {}
        self.replace: dict[Case, Replace] = {}
        self.again = 0
        self.accelerator_broken_by: str | None = None
        self.journal: Journal | None = None
        self.earlier = Earlier()
        self._shown: dict[Case, Mapping[str, Any]] = {}
        self._run_id = str(uuid.uuid4())
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._waited: str | None = None
        self.planned = self.studies = 0
        self._not_run: list[NotRun] = []
        self._studies: dict[str, tuple[dict[str, Any], ...]] = {}
        self._studied: list[str] = []

    @property
    def recorded(self) -> int:
        """The number of cases with a result."""
        return len(self.measured)

    @property
    def not_run(self) -> tuple[NotRun, ...]:
        """What has no result, with the reasons."""
        return (*self.selection.left_out, *self._not_run)

    def plan(self, cases: Sequence[Case], others: int, stored: Iterable[Path], studies: Mapping[str, float]) -> None:
        """Make the schedule of the cases and studies to come, from the times of a stored run, if there is one.

        ``others`` is the number of tests that measure user code; ``stored`` are folders of runs, of which the first
        that has any counts; ``studies`` are those to come, with their seconds.
        """
        self.planned, self.studies = len(cases) + others, len(studies)
        planned = self.selection.plans(cases, known_costs(stored))
        self.schedule = Schedule(planned, studies, self.request.budget)
        if self.selection.shard is None:
            self.selection.note_absences(cases)

    def isolates(self, case: Case) -> bool:
        """Whether a case is measured in processes of its own: if that was requested, if it is one over ranks, or of an
        accelerator that an earlier error has made unusable for this process."""
        if case.ranks is not None:
            return True
        return self.request.isolate or (self.accelerator_broken_by is not None and case.device_type != "cpu")

    def note_broken_accelerator(self, name: str) -> None:
        """Note that an error in a case or test has made the accelerator unusable for this process."""
        self.accelerator_broken_by = self.accelerator_broken_by or name

    def full_effort(self, workload: Workload) -> Effort:
        """How long a case of a workload is measured where there is no lack of time."""
        effort = self.request.effort
        return replace(effort, max_time=time_limit(workload, effort.max_time))

    def effort_for(self, case: Case, workload: Workload) -> Effort:
        """How long the first figure of a case may be measured."""
        full = self.full_effort(workload)
        return replace(full, max_time=self.schedule.limit(case.id)) if self.schedule.knows(case.id) else full

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
        self._waited = journaled.info.machine.waiting

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

    def note_record(
        self,
        record: Record,
        effort: Effort,
        replace_by: Replace | None = None,
        shown: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Keep the result of a case, which took ``effort``.

        ``replace_by`` puts another measurement in its place; without it, the case is not measured again. ``shown`` is
        how pytest-benchmark names the case.
        """
        case, limit = record.case, effort.max_time
        full = limit
        if replace_by:
            full = self.full_effort(self.selection.workload_of(case)).max_time
            self.replace[case] = replace_by
        if case in self.earlier:
            limit = 0.0  # the limit that it had is not known
        elif self.journal:
            self.journal.note_record(record, shown)
        self._shown[case] = shown
        self.measured[case] = Measured(record, limit, full)

    def note_again(self, record: Record, samples: Sequence[float], limit: float) -> None:
        """Keep another measurement of a case in the place of its first."""
        self.replace[record.case](samples, record)
        self.measured[record.case] = replace(self.measured[record.case], record=record, limit=limit)
        self.again += 1
        if self.journal:
            self.journal.note_record(record, self._shown[record.case])

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

    @property
    def unstored_studies(self) -> tuple[str, ...]:
        """The studies with results in a run that will not be stored, as no case has a result."""
        return () if self.measured else tuple(self._studies)

    def note_not_run(self, what: str, outcome: Outcome, reason: str) -> NotRun:
        """Keep a case or study that has no result; the first reason that is given for it counts, and is returned."""
        for entry in self._not_run:
            if entry.what == what:
                return entry
        entry = NotRun(what, outcome, reason)
        self._not_run.append(entry)
        if self.journal:
            self.journal.note_not_run(entry)
        return entry

    @property
    def partial(self) -> bool:
        """Whether the run was stopped, or cases are left."""
        return self.stopped or self.schedule.done < self.schedule.total

    def progress_line(self, name: str, outcome: str) -> str:
        """The line of a case or study that is done: its position, its result or outcome, and the time left."""
        one = next((one for case, one in self.measured.items() if case.id == name), None)
        if name in self.earlier or (one and one.record.case in self.earlier):
            self.schedule.note_taken_over(name)
        else:
            self.schedule.note_done(name, one.limit if one else None, again=one is not None and bool(wanted([one])))
        total = str(self.schedule.total)
        position = f"{self.schedule.done:>{len(total)}}/{total}"
        return progress.line(position, name, outcome, self.schedule.left())

    def info(self, root: Path) -> RunInfo:
        """The run's facts, to be stored; the commit is that of the checkout at ``root``."""
        commit, dirty = commit_of(root)
        return RunInfo(
            run_id=self._run_id,
            started=self._started,
            version=__version__,
            machine=self._machine(),
            commit=commit,
            dirty=dirty,
            options=dict(self.request.given),
            planned=self.planned,
            partial=self.partial,
            not_run=self.not_run,
            studies=dict(self._studies),
            studied=tuple(self._studied),
            resumed=self.earlier.exists,
            shard=self.selection.shard,
        )

    def _machine(self) -> Machine:
        """This machine; a run that was continued under another waiting policy names both."""
        here = machine.fingerprint()
        policies = dict.fromkeys(filter(None, (self._waited, here.waiting)))
        return replace(here, waiting="; then ".join(policies) or None)
