"""``bench-core history --confirm`` and ``--bisect``: gates of the commits around a regression."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate import settings
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict, Rules
from bench_core.analysis.history.confirming import regression, rules_to_confirm, rules_to_search
from bench_core.analysis.history.search import Search
from bench_core.analysis.history.steps import Findings, Step
from bench_core.cli.judging import judged
from bench_core.core.errors import GateError, OptionError
from bench_core.core.pairs import Ending, Trouble
from bench_core.execution.pairing.request import Compared
from bench_core.execution.pairing.sides import commit, repository
from bench_core.report.gate.plain import as_text
from bench_core.report.history import confirmation
from bench_core.storage.folder import Commit, commits_after
from bench_core.storage.naming import SHOWN

MINUTES, MINUTES_TO_SEARCH = 8.0, 30.0
INTERRUPTED = 130


@dataclass(frozen=True)
class Asked:
    """What the command line asks for: a case, the arguments of pytest that collect it, the minutes for everything, and
    whether to search the commit; ``None`` means the default. Raises ``OptionError`` for what cannot be."""

    case: str | None
    tests: str | None
    budget: float | None
    bisect: bool

    def __post_init__(self) -> None:
        if self.budget is not None and not 0.0 < self.budget < math.inf:
            raise OptionError("--budget: must be above 0")
        _ = self.arguments

    @property
    def seconds(self) -> float:
        """The time for everything."""
        return 60.0 * (self.budget or (MINUTES_TO_SEARCH if self.bisect else MINUTES))

    @property
    def arguments(self) -> list[str] | None:
        """The arguments of pytest."""
        try:
            return None if self.tests is None else shlex.split(self.tests)
        except ValueError as error:
            raise OptionError(f"--tests {self.tests!r}: cannot be split into arguments ({error})") from None


def confirm(findings: Findings, asked: Asked) -> int:
    """Measure the commits around the newest regression with a gate, print what it says, and return the exit code.

    Raises ``OptionError`` if there is no regression, or its commits cannot be measured.
    """
    end = time.monotonic() + asked.seconds
    own = settings.read(Path.cwd())
    arguments = own.tests if asked.arguments is None else asked.arguments
    step = regression(findings, asked.case)
    good, bad = _commits(step)
    between = _between(good, bad) if asked.bisect else ()
    for note in (*confirmation.doubts(step), *_elsewhere(step)):
        print(f"bench-core: {note}", file=sys.stderr, flush=True)

    def gate(head: str, rules: Rules) -> GateResult:
        left = max(0.0, end - time.monotonic())
        return judged(Compared(good, head), arguments, rules, budget=left, case=step.series.id.case)[1]

    result = gate(bad, rules_to_confirm(own.rules, step.point.ratio))
    print(as_text(result, _width()), flush=True)
    if result.interrupted:
        return INTERRUPTED
    (case,) = result.cases
    print(confirmation.conclusion(step, case, _width()), flush=True)
    if asked.bisect and case.verdict is Verdict.SLOWER and case.time:
        rules = rules_to_search(case.time.ratio)
        if _search(between, lambda head: _tried(lambda: gate(head, rules), case.name), end):
            return INTERRUPTED
    return result.exit_code


def _search(between: Sequence[Commit], gate: Callable[[str], CaseVerdict], end: float) -> bool:
    """Search the commit from which on the case is slower, with gates until ``end``. Whether it was interrupted."""
    search, interrupted = Search([one.hexsha for one in between]), True
    print(f"\n{confirmation.searching(search, end - time.monotonic())}", flush=True)
    try:
        while (head := search.next()) and time.monotonic() < end:
            case = gate(head)
            search = search.after(head, case.verdict)
            tried = next(one for one in between if one.hexsha == head)
            print(confirmation.tried(tried, case, end - time.monotonic(), _width()), flush=True)
        interrupted = False
    except KeyboardInterrupt:
        pass
    finally:  # what is known is printed whatever ends the search
        print(f"\n{confirmation.found(search, between, interrupted, _width())}", flush=True)
    return interrupted


def _tried(gate: Callable[[], GateResult], name: str) -> CaseVerdict:
    """The verdict of a gate of the search: MISSING where it cannot be run, as where the tests cannot be imported."""
    try:
        result = gate()
    except (GateError, OptionError) as error:
        return CaseVerdict(name, name, 0, None, None, Trouble("gate", Ending.FAILED, str(error)))
    if result.interrupted:
        raise KeyboardInterrupt
    return result.cases[0]


def _commits(step: Step) -> tuple[str, str]:
    """The commits of the last run before a step and of the first one after it. Raises ``OptionError``."""
    folder = Path.cwd()
    repository(folder)
    case, names = step.series.id.case, [origin.commit for origin in (step.previous, step.first) if origin.commit]
    if len(names) < 2:
        raise OptionError(f"{case}: the runs around its step have no commit to measure")
    good, bad = (commit(folder, name) for name in names)
    if good == bad:
        raise OptionError(f"{case}: both runs around its step are of commit {good[:SHOWN]}; the cause is not a commit")
    return good, bad


def _between(good: str, bad: str) -> tuple[Commit, ...]:
    """The commits to search. Raises ``OptionError`` if one does not come after the other."""
    commits = commits_after(Path.cwd(), good, bad)
    if not commits:
        raise OptionError(f"--bisect: {good[:SHOWN]} is no ancestor of {bad[:SHOWN]} here; fetch all commits between")
    return commits


def _elsewhere(step: Step) -> list[str]:
    """A note if the step is of another machine than this, or of other software."""
    series = step.series.id
    if not (series.machine or series.software):
        return []
    from bench_core.hardware.machine import fingerprint  # imports torch

    note = confirmation.elsewhere(series, fingerprint().hardware, fingerprint().software)
    return [note] if note else []


def _width() -> int:
    return max(60, min(100, shutil.get_terminal_size().columns))
