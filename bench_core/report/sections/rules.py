"""The twelve rules of Hoefler and Belli, checked with the data at hand.

T. Hoefler, R. Belli, "Scientific Benchmarking of Parallel Computing Systems", SC'15. The rules are shortened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bench_core.analysis.comparison import Comparison, Result
from bench_core.core.records import Run
from bench_core.core.text import counted
from bench_core.report.sections.study import Study
from bench_core.report.tables.table import Column, table

NAME = "Are the rules of benchmarking met?"
MET, NOT_MET, NO_CASE = "met", "not met", "does not apply"


@dataclass(frozen=True)
class Rule:
    """A rule, whether it is met (``None`` if it does not apply), and why."""

    text: str
    met: bool | None
    why: str

    @property
    def state(self) -> str:
        """Whether it is met, in words."""
        return NO_CASE if self.met is None else MET if self.met else NOT_MET


def rules(
    runs: Sequence[Run], results: Sequence[Result], comparisons: Collection[Comparison], explained: int
) -> Study | None:
    """The section; ``explained`` is the number of results with a ceiling. ``None`` without results."""
    if not results:
        return None
    checked = tuple(_rules(runs, results, comparisons, explained))
    columns: tuple[Column[tuple[int, Rule]], ...] = (
        Column("No.", lambda item: str(item[0]), numeric=True),
        Column("Rule", lambda item: item[1].text),
        Column("State", lambda item: item[1].state),
        Column("Why", lambda item: item[1].why),
    )
    about = (
        "The twelve rules of Hoefler and Belli (Scientific Benchmarking of Parallel Computing Systems, SC'15), checked "
        "with the results of this report."
    )
    missed = sum(rule.met is False for rule in checked)
    sentence = f"{sum(rule.met is True for rule in checked)} are met, {missed} {'is' if missed == 1 else 'are'} not."
    rows = table("Twelve rules", columns, enumerate(checked, 1))
    return Study(NAME, about, (sentence,), (), (rows,) if rows else ())


def _rules(
    runs: Sequence[Run], results: Sequence[Result], comparisons: Collection[Comparison], explained: int
) -> Iterable[Rule]:
    yield Rule(
        "A speedup comes with the absolute time of its base.",
        True if comparisons else None,
        "Each table of speedups has the times of both sides." if comparisons else "There is no speedup.",
    )
    yield _whole(runs)
    yield Rule("Costs are averaged arithmetically, rates harmonically.", None, "No figure is averaged over cases.")
    yield Rule("Ratios are not averaged.", True, "Ratios are listed and counted, never averaged.")
    yield _intervals(results)
    yield Rule("Normality is not assumed without a test.", True, "Intervals come from the ranks of the samples.")
    yield Rule(
        "Values that vary are compared by statistics.",
        False if comparisons else None,
        "Verdicts are from intervals within one process, which understate the noise between processes; bench-core gate "
        "compares pairs of processes."
        if comparisons
        else "Nothing is compared.",
    )
    yield _percentiles(results)
    yield _setup(runs)
    yield Rule(
        "How parallel time is measured, synchronized and summarized is stated.",
        True,
        "One host clock, all devices of a case synchronized before each reading, the median over blocks of calls.",
    )
    yield Rule(
        "Upper bounds of the performance are shown.",
        explained == len(results),
        f"{counted(explained, 'case has', 'cases have')} a measured ceiling, of {len(results)}.",
    )
    yield Rule(
        "Plots show the variation, and lines join points only where values between them make sense.",
        True,
        "Plots have samples and intervals; lines run over the batch size only.",
    )


def _whole(runs: Sequence[Run]) -> Rule:
    rule = "What is left out is stated with the reason."
    stopped = sum(run.info.partial for run in runs)
    if stopped:
        were = "run was" if stopped == 1 else "runs were"
        return Rule(rule, False, f"{stopped} {were} stopped early, so cases are missing without a reason of their own.")
    left = sum(len(run.info.not_run) for run in runs)
    what = counted(left, "case or study is", "cases and studies are")
    return Rule(rule, True, f"{what} without a result, each with its reason.")


def _intervals(results: Sequence[Result]) -> Rule:
    without = sum(result.interval is None for result in results)
    why = "Every median has a confidence interval."
    if without:
        why = f"{without} of {counted(len(results), 'median has', 'medians have')} too few samples for an interval."
    return Rule("Values that vary come with a confidence interval.", not without, why)


def _percentiles(results: Sequence[Result]) -> Rule:
    """Rule 8: whether mean, median or a percentile is right."""
    known = sum(result.record.timing.latency is not None for result in results)
    why = f"Medians everywhere; latency has percentiles of single calls in {known} of {len(results)} cases."
    return Rule("The statistic fits the purpose: median, or percentiles of latency.", known > 0, why)


def _setup(runs: Sequence[Run]) -> Rule:
    unknown = sum(run.info.commit is None for run in runs)
    changed = sum(bool(run.info.dirty) for run in runs)
    doubts = [f"{counted(unknown, 'run has', 'runs have')} no commit"] if unknown else []
    doubts += [f"{counted(changed, 'run has', 'runs have')} uncommitted changes"] if changed else []
    why = "Machine, software, options and commit are stored with each run."
    if doubts:
        why = f"{'; '.join(doubts)}."
    return Rule("All factors and the whole setup are documented.", not doubts, why)
