"""The search for the commit that made a case slower, by gates of a fast commit against others: which one is next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench_core.analysis.comparison import Verdict

FAST = (Verdict.SAME, Verdict.FASTER)


@dataclass(frozen=True)
class Search:
    """``commits`` are those after the fast one, oldest first; the last is known to be slower than it. ``verdicts`` are
    those of the gates so far, by commit. MISSING is the verdict on a commit that cannot be measured."""

    commits: Sequence[str]
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def suspects(self) -> tuple[str, ...]:
        """The commits among which the cause is, oldest first: after the last fast one, up to the first slower one."""
        verdicts = [self.verdicts.get(commit) for commit in self.commits]
        slower = verdicts.index(Verdict.SLOWER) if Verdict.SLOWER in verdicts else len(verdicts) - 1
        fast = max((i for i in range(slower) if verdicts[i] in FAST), default=-1)
        return tuple(self.commits[fast + 1 : slower + 1])

    @property
    def untried(self) -> tuple[str, ...]:
        """The suspects that a gate would tell from the others."""
        return tuple(commit for commit in self.suspects[:-1] if commit not in self.verdicts)

    @property
    def most_gates(self) -> int:
        """How many further gates are needed at most, if all commits can be measured."""
        return len(self.untried).bit_length()

    def next(self) -> str | None:
        """The commit to measure next; ``None`` if there is none, or a gate was UNCLEAR.

        It halves the suspects, of which those that cannot be measured count as nothing. So with n commits, and however
        many of them cannot be measured, at most ceil(log2(n)) gates have a verdict.
        """
        if Verdict.UNCLEAR in self.verdicts.values() or not self.untried:
            return None
        return self.untried[len(self.untried) // 2]

    def after(self, commit: str, verdict: Verdict) -> Search:
        """The search when a gate gave this verdict on a commit."""
        return replace(self, verdicts={**self.verdicts, commit: verdict})
