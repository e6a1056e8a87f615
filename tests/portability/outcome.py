"""What came of a setting, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.portability.terminal import TIMED_OUT


@dataclass(frozen=True)
class Counts:
    """The tests of a run of pytest."""

    passed: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Outcome:
    """What came of a step: its exit code, its seconds and, if it is pytest's and came to an end, its counts."""

    step: str
    code: int
    seconds: float
    counts: Counts | None = None

    def __str__(self) -> str:
        ended = "timed out" if self.code == TIMED_OUT else f"exit code {self.code}" if self.code else "done"
        parts = [str(self.counts)] if self.counts else []
        parts += [ended] if self.code or not parts else []
        return f"{self.step}: {', '.join(parts)}"


def read_counts(path: Path | None) -> Counts | None:
    """The counts in a file of JUnit's format; ``None`` without a complete file."""
    if path is None:
        return None
    try:
        suites = list(ElementTree.parse(path).iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return None
    total, errors, failures, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "errors", "failures", "skipped")
    )
    return Counts(total - errors - failures - skipped, errors + failures, skipped)


def line(setting: str, outcomes: Sequence[Outcome], log: Path) -> str:
    """A setting's line: whether it passed, what came of each step, the minutes, and where the output is."""
    verdict = "FAILED" if any(outcome.code for outcome in outcomes) else "passed"
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    return f"{setting:<13s} {verdict}  {'; '.join(map(str, outcomes))}; {minutes:.1f} min; {log}"


def skipped(setting: str, reason: object) -> str:
    """The line of a setting that cannot be had on this machine."""
    return f"{setting:<13s} skipped  {reason}"
