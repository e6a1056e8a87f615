"""Two runs compared: the cases that both have, worst first, and what only one has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench_core.analysis.comparison import Comparison, Verdict, compare_runs
from bench_core.analysis.slowdown import is_too_slow
from bench_core.core.case import Case, without_autocast
from bench_core.core.errors import RecordError
from bench_core.core.records import NotRun, Run

ORDER = (Verdict.SLOWER, Verdict.UNCLEAR, Verdict.FASTER, Verdict.SAME)
"""The verdicts on cases that both runs have, the one to look at first."""


@dataclass(frozen=True)
class RunComparison:
    """``rows`` are the cases that both runs have, in the ``ORDER`` of their verdicts, the slowest first.

    ``limit`` is the share above which a slowdown is too much (``slowdown.is_too_slow``), if there is one.
    """

    base: Run
    head: Run
    rows: tuple[Comparison, ...]
    only_base: tuple[Case, ...]
    only_head: tuple[Case, ...]
    limit: float | None

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How often there is each verdict."""
        counts = Counter(row.verdict for row in self.rows)
        return {verdict: counts[verdict] for verdict in ORDER}

    @property
    def too_slow(self) -> tuple[Comparison, ...]:
        """The cases that are slower by more than the limit; none without a limit."""
        return tuple(row for row in self.rows if self.is_too_slow(row))

    def is_too_slow(self, row: Comparison) -> bool:
        """Whether a case is slower by more than the limit."""
        return self.limit is not None and is_too_slow(row, self.limit)

    @property
    def notes(self) -> Mapping[str, tuple[Case, ...]]:
        """How the two sides differ, with the cases in which they do."""
        cases: dict[str, list[Case]] = {}
        for row in self.rows:
            for note in row.notes:
                cases.setdefault(note, []).append(row.case)
        return {note: tuple(of_note) for note, of_note in cases.items()}

    @property
    def cast_otherwise(self) -> tuple[tuple[Case, Case], ...]:
        """The cases of base and of head that are the same but for autocast: they are not compared, as what casts its
        numbers in each call is other work than what has them stored in 16 bits."""
        return cast_otherwise(self.only_base, self.only_head)

    @property
    def without_figure(self) -> tuple[tuple[NotRun, ...], tuple[NotRun, ...]]:
        """Why cases that only the other run has are without a figure: in base, and in head."""
        return _not_run(self.base, self.only_head), _not_run(self.head, self.only_base)


def compare_two(base: Run, head: Run, limit: float | None = None) -> RunComparison:
    """Compare the cases that two runs have in common. Raises ``RecordError`` if there is none."""
    rows = compare_runs(base, head)
    both = sorted((row for row in rows if row.verdict in ORDER), key=_worst_first)
    if not both:
        raise RecordError(
            f"{base.path} and {head.path}: have no case in common ({len(base.records)} and {len(head.records)} cases); "
            "name two runs of the same workloads"
        )
    return RunComparison(
        base=base,
        head=head,
        rows=tuple(both),
        only_base=tuple(row.case for row in rows if row.contender is None),
        only_head=tuple(row.case for row in rows if row.base is None),
        limit=limit,
    )


def cast_otherwise(base: Iterable[Case], head: Iterable[Case]) -> tuple[tuple[Case, Case], ...]:
    """Pairs of cases that are the same but for autocast."""
    heads = {replace(case, variant=without_autocast(case.variant)): case for case in head}
    plain = {case: replace(case, variant=without_autocast(case.variant)) for case in base}
    return tuple((case, heads[same]) for case, same in plain.items() if same in heads)


def _not_run(run: Run, cases: Iterable[Case]) -> tuple[NotRun, ...]:
    names = {case.id for case in cases}
    return tuple(entry for entry in run.info.not_run if entry.what in names)


def _worst_first(row: Comparison) -> tuple[int, float, str]:
    return ORDER.index(row.verdict), row.ratio or 0.0, row.case.id
