"""Cases over ranks that are there already, such as those of torchrun on several nodes: one stored run of them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench_core.core.case import Case
from bench_core.core.errors import CaseError, CaseProcessError, CaseSkipped, OptionError, StorageError
from bench_core.core.records import Outcome
from bench_core.core.version import __version__
from bench_core.execution.options import Request
from bench_core.execution.progress import format_figure
from bench_core.execution.session import BenchSession
from bench_core.execution.together import measure_together
from bench_core.hardware.machine import fingerprint
from bench_core.hardware.ranks import Ranks
from bench_core.storage.recovery import recover


@dataclass(frozen=True)
class Skip:
    """What a rank reports that skips a case."""

    reason: str


def measure_all(request: Request, ranks: Ranks, folder: Path, root: Path, note: Callable[[str], None]) -> Path | None:
    """Measure all cases of a request that are divided over ranks, on these; the first one stores the run in a folder.

    All ranks call this, with the same request. ``note`` is given the line of each case. Returns the file of the run, on
    the first rank and if there is a result. An error that is no skip ends the run, as does a skip of some ranks only;
    what was measured before is in the journal of the folder. Raises ``OptionError`` if the nodes or the options differ,
    or nothing is left to measure.
    """
    _check_equal(request, ranks)
    session = BenchSession(request)
    cases = [case for case in session.selection.cases_of() if case.ranks is not None]
    if not cases:
        raise OptionError("these options leave nothing to measure over ranks; `bench-core list` shows the workloads")
    session.plan(cases, 0, [], {})
    if ranks.rank == 0:
        session.keep_journal(folder, root, resume=False)
    for case in cases:
        note(session.progress_line(case.id, _measured(session, case, ranks)))
    return _stored(session)


def _measured(session: BenchSession, case: Case, ranks: Ranks) -> str:
    """Measure a case and keep what comes of it: its figure, or the reason of a skip, in words."""
    workload = session.selection.workload_of(case)
    effort = session.full_effort(workload)
    try:
        _, record = measure_together(workload, case, effort, session.request.sources, ranks)
    except (CaseSkipped, CaseError) as reason:
        skip_together(ranks, str(reason))
        session.note_not_run(case.id, Outcome.SKIPPED, str(reason))
        return f"skipped: {reason}"
    session.note_record(record, effort)
    return format_figure(record)


def skip_together(ranks: Ranks, reason: str) -> None:
    """Make sure that all ranks skip the case that one skips; all that skip it call this.

    A rank that goes on alone would take part in the next case of the others, or wait for ever. Raises
    ``CaseProcessError`` if another one is still in the case; torch's error if it does not answer.
    """
    reports: tuple[object, ...] = ranks.gather_all(Skip(reason))
    for rank, other in enumerate(reports):
        if not isinstance(other, Skip):
            raise CaseProcessError(f"skipped on rank {ranks.rank} and not on rank {rank}: {reason}")


def _stored(session: BenchSession) -> Path | None:
    if session.journal is None:
        return None
    if session.journal.problem:
        raise StorageError(session.journal.problem)
    session.journal.note_finish(session.partial)
    session.journal.close()
    return recover(session.journal.path).stored


def _check_equal(request: Request, ranks: Ranks) -> None:
    """Refuse nodes that differ in what determines speed, as their record would be of no machine, and options that
    differ, as each rank would measure other cases."""
    machine = fingerprint()
    options = " ".join(f"{name} {value}" for name, value in sorted(request.given.items()))
    of_all = ranks.gather_all((machine.hardware, machine.software, f"bench-core {__version__}", options))
    for rank, other in enumerate(of_all):
        if other != of_all[0]:
            what = next(f"{there} -> {here}" for there, here in zip(of_all[0], other, strict=True) if there != here)
            raise OptionError(
                f"the nodes differ, from rank 0 to rank {rank}: {what}; take nodes of one kind and the same options"
            )
