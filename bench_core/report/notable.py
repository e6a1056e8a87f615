"""What a reader should know first: a few sentences, computed from all results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.comparison import Comparison, Result, Verdict
from bench_core.analysis.gpu_bounds import Potential, best_of_workloads
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.records import Outcome
from bench_core.core.results import FlagCode
from bench_core.core.text import counted
from bench_core.report.answers import Worth, answer
from bench_core.report.facts import Missing

MAX_NAMES = 3
DOUBTS: Mapping[str, str] = {
    FlagCode.TWO_MODES: "samples in two groups, so one median does not describe them",
    FlagCode.STAGES_DO_NOT_ADD_UP: "stages that do not add up to the whole call",
    FlagCode.PARITY_INCONCLUSIVE: "a result that the check against float64 could not judge",
    FlagCode.NOT_STEADY: "times that were not steady after the warm-up",
    FlagCode.CROSS_CHECK: "times that do not grow with the number of calls",
    FlagCode.EMULATED_DTYPE: "a dtype that this processor emulates",
}
"""What flags say of the cases that have them."""


def of_speedups(primary: Sequence[Curve]) -> Iterable[str]:
    """The largest speedup, and the workloads for which a GPU is not worth it; nothing of a single curve."""
    peaks = [(curve.peak.ratio, curve) for curve in primary if curve.peak and curve.peak.ratio]
    if len(peaks) > 1:
        ratio, curve = max(peaks, key=lambda item: item[0])
        assert curve.peak is not None
        case = curve.peak.case
        at = f"{case.workload} at batch size {text.whole(case.batch_size)}"
        yield f"The largest speedup is {text.ratio(ratio)}: {at}."
        slower = [c.rows[0].case.workload for c in primary if answer(c).worth is Worth.NOWHERE]
        if slower:
            yield f"The GPU is not faster at any batch size measured: {_names(slower)}."


def of_bounds(potentials: Iterable[Potential]) -> Iterable[str]:
    """The workloads for which no GPU can be faster."""
    best = best_of_workloads(potentials).values()
    hopeless = [p.cause.result.case.workload for p in best if p.largest.speedup < 1.0]
    if hopeless:
        yield f"No GPU can be faster, by an upper bound: {_names(hopeless)}."


def of_threads(comparisons: Iterable[Comparison]) -> Iterable[str]:
    """The workloads for which one thread is faster than all cores."""
    slower = [c.case.workload for c in comparisons if c.verdict is Verdict.SLOWER]
    if slower:
        yield f"One thread is faster than all usable cores: {_names(slower)}."


def of_results(results: Sequence[Result]) -> Iterable[str]:
    """How many cases cannot be trusted fully, and why."""
    contended = [result.case.id for result in results if result.record.contended]
    if contended:
        cases = f"{len(contended)} of {counted(len(results), 'case', 'cases')}"
        yield f"{BESIDE_OTHER_WORK.capitalize()}, so that no verdict rests on them: {cases} ({_names(contended)})."
    for code, words in DOUBTS.items():
        flagged = [r.case.id for r in results if any(flag.code == code for flag in r.record.flags)]
        if flagged:
            yield f"{counted(len(flagged), 'case has', 'cases have')} {words}: {_names(flagged)}."
    missed = sum(not result.record.timing.met_target for result in results)
    if missed:
        of_all = f"{missed} of {counted(len(results), 'case', 'cases')}"
        yield f"The time limit came before the target of the confidence interval in {of_all}."


def of_missing(missing: Missing) -> Iterable[str]:
    """What failed, and how much has no result for other reasons."""
    failed = [entry for _, entry in missing if entry.outcome is Outcome.FAILED]
    if failed:
        first = f"{failed[0].what} ({failed[0].reason})"
        more = f"{counted(len(failed), 'case or study', 'cases or studies')} failed, the first is"
        yield f"{more} {first}."
    others = Counter(entry.outcome for _, entry in missing if entry.outcome is not Outcome.FAILED)
    if others:
        words = " and ".join(f"{number} {outcome}" for outcome, number in sorted(others.items()))
        yield f"Without a result: {words}. The page's section 'What was not run' has the reasons."


def _names(names: Sequence[str]) -> str:
    """The first names, each once, and how many more there are."""
    once = list(dict.fromkeys(names))
    more = f" and {len(once) - MAX_NAMES} more" if once[MAX_NAMES:] else ""
    return ", ".join(once[:MAX_NAMES]) + more
