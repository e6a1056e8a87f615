"""Cases over ranks that are there already, such as those of torchrun on several nodes: one stored run of them all."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench_core.core.case import Case
from bench_core.core.errors import CaseError, CaseProcessError, CaseSkipped, OptionError, StorageError
from bench_core.core.records import Outcome
from bench_core.core.version import __version__
from bench_core.execution.options import PREFIX, Request, option
from bench_core.execution.progress import format_figure
from bench_core.execution.session import BenchSession
from bench_core.execution.together import measure_together
from bench_core.execution.worker import failure_of
from bench_core.hardware.machine import fingerprint
from bench_core.hardware.ranks import LaunchedRanks
from bench_core.storage.recovery import recover


@dataclass(frozen=True)
class Failed:
    """What a rank reports that has no figure of a case: the class of its error."""

    error: str


@dataclass(frozen=True)
class Finished:
    """The end of a run: its file, on the first rank and if a case has a figure; and how many cases failed."""

    stored: Path | None
    failed: int


def measure_all(
    request: Request, ranks: LaunchedRanks, folder: Path, root: Path, note: Callable[[str], None]
) -> Finished:
    """Measure all cases of a request that are divided over ranks, on these; the first one stores the run in a folder.

    All ranks call this, with the same request. ``note`` is given the line of each case. An error that all ranks raise
    fails its case, or skips it. One that only some raise ends the run; what was measured before is in the journal of
    the folder. Raises ``OptionError`` if the nodes or the options differ, or nothing is left to measure.
    """
    _check_equal(request, ranks)
    session = BenchSession(replace(request, sweep=replace(request.sweep, nodes=ranks.nodes)))
    cases = [case for case in session.selection.cases_of() if case.ranks is not None]
    if not cases:
        raise OptionError("these options leave nothing to measure over ranks; `bench-core list` shows the workloads")
    session.plan(cases, 0, [], {})
    if ranks.rank == 0:
        session.keep_journal(folder, root, resume=False)
    for case in cases:
        note(session.progress_line(case.id, _measured(session, case, ranks)))
    failed = sum(entry.outcome is Outcome.FAILED for entry in session.not_run)
    return Finished(_stored(session), failed)


def _measured(session: BenchSession, case: Case, ranks: LaunchedRanks) -> str:
    """Measure a case and keep what comes of it: its figure, or the reason why there is none, in words."""
    workload = session.selection.workload_of(case)
    effort = session.full_effort(workload)
    try:
        _, record = measure_together(workload, case, effort, session.request.sources, ranks)
    except Exception as error:
        fail_together(ranks, error)
        failure = failure_of(error)
        if not failure.kind and ranks.rank == 0:
            traceback.print_exc()  # of a bug, which is not one of the suite's own errors
        skipped = isinstance(error, (CaseSkipped, CaseError))
        outcome, reason = Outcome.SKIPPED if skipped else Outcome.FAILED, failure.message.partition("\n")[0]
        session.note_not_run(case.id, outcome, reason)
        return f"{outcome}: {reason}"
    session.note_record(record, effort)
    return format_figure(record)


def fail_together(ranks: LaunchedRanks, error: Exception) -> None:
    """Make sure that all ranks have left a case, with an error of the same class; each that has one calls this.

    A rank that goes on alone would take part in the next case of the others, or wait for ever. Raises
    ``CaseProcessError`` if another one is still in the case or has another error; torch's error if it does not answer,
    and if the ranks cannot meet over the connections of the work, as after an error amid an exchange.
    """
    own = Failed(type(error).__qualname__)
    reports: tuple[object, ...] = ranks.gather_all(own)
    for rank, other in enumerate(reports):
        if other != own:
            there = other.error if isinstance(other, Failed) else "no error"
            raise CaseProcessError(f"{own.error} on rank {ranks.rank} and {there} on rank {rank}: {error}") from error
    ranks.meet_at_work()


def _stored(session: BenchSession) -> Path | None:
    if session.journal is None:
        return None
    if session.journal.problem:
        raise StorageError(session.journal.problem)
    session.journal.note_finish(session.partial)
    session.journal.close()
    return recover(session.journal.path).stored


def _check_equal(request: Request, ranks: LaunchedRanks) -> None:
    """Refuse nodes that differ in what determines speed, as their record would be of no machine, and options that
    differ, as each rank would measure other cases."""
    machine = fingerprint()
    given = sorted((name, value) for name, value in request.given.items() if name != option("ranks"))  # torchrun's
    options = " ".join(f"--{name.removeprefix(PREFIX)} {value}" for name, value in given)
    of_all = ranks.gather_all((machine.hardware, machine.software, f"bench-core {__version__}", options))
    for rank, other in enumerate(of_all):
        if other != of_all[0]:
            what = next(f"{there} -> {here}" for there, here in zip(of_all[0], other, strict=True) if there != here)
            raise OptionError(
                f"the nodes differ, from rank 0 to rank {rank}: {what}; take nodes of one kind and the same options"
            )
