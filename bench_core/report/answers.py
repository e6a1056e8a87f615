"""The answer in plain words: is the GPU worth it, from which batch size, and by how much at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from bench_core.analysis.comparison import Comparison, Verdict
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK


class Worth(Enum):
    """At which of the measured batch sizes the GPU is faster."""

    ALWAYS = auto()
    FROM_BATCH = auto()
    ONLY_SMALLER = auto()
    NOWHERE = auto()
    UNCLEAR = auto()
    NOT_JUDGED = auto()
    NO_RATIO = auto()


@dataclass(frozen=True)
class Answer:
    """Whether the GPU is worth it: for programs, as a table's cell, and as a sentence."""

    worth: Worth
    cell: str
    sentence: str


def answer(curve: Curve) -> Answer:
    """The answer that a curve of matched speedups gives: contended figures are left out of it."""
    peak, left_out = curve.peak, len(curve.measured) - len(curve.judged)
    if peak is None and left_out:
        sentence = f"Not judged: at every batch size, one side or both were {BESIDE_OTHER_WORK}."
        return Answer(Worth.NOT_JUDGED, f"Not judged: {BESIDE_OTHER_WORK}", sentence)
    if peak is None:
        sentence = "No batch size was measured on both devices, so there is no answer."
        return Answer(Worth.NO_RATIO, "Not measured on both devices", sentence)
    verdict = _judge(curve, "judged" if left_out else "measured")
    parts = [verdict.sentence, _peak_words(peak), _crossover_words(curve)]
    if len(curve.measured) == 1:
        parts.append("Only one batch size was measured on both devices.")
    if left_out:
        parts.append(f"{_left_out(left_out, len(curve.measured))}.")
    cell = f"{verdict.cell} ({left_out} not judged)" if left_out else verdict.cell
    return replace(verdict, cell=cell, sentence=" ".join(part for part in parts if part))


def _left_out(count: int, of: int) -> str:
    return f"{count} of {of} batch sizes {'is' if count == 1 else 'are'} not judged: {BESIDE_OTHER_WORK}"


def _judge(curve: Curve, known: str) -> Answer:
    """The verdict on the judged rows; ``known`` says in one word which batch sizes these are."""
    rows = curve.judged
    faster = [row.case.batch_size for row in rows if row.verdict == Verdict.FASTER]
    if curve.from_batch == rows[0].case.batch_size:
        where = f"at every batch size {known}" if len(rows) > 1 else f"at batch size {text.whole(curve.from_batch)}"
        return Answer(Worth.ALWAYS, f"Yes, {where}", f"The GPU is faster {where}.")
    if curve.from_batch is not None:
        batch = f"batch size {text.whole(curve.from_batch)}"
        return Answer(Worth.FROM_BATCH, f"Yes, from {batch}", f"The GPU is worth it from {batch} on.")
    if faster:
        some = ", ".join(text.whole(batch) for batch in faster)
        sentence = f"The GPU is faster only at batch size {some}, not at the largest batch size {known}."
        return Answer(Worth.ONLY_SMALLER, f"Only at batch size {some}", sentence)
    if all(row.verdict == Verdict.SLOWER for row in rows):
        return Answer(Worth.NOWHERE, "No", f"The GPU is not worth it: the CPU is faster at every batch size {known}.")
    if all(row.verdict in (Verdict.SLOWER, Verdict.SAME) for row in rows):
        sentence = f"The GPU is not worth it: it is not faster by more than the tolerance at any batch size {known}."
        return Answer(Worth.NOWHERE, "No", sentence)
    if any(row.interval is None for row in rows):
        ahead = sum((row.ratio or 0.0) > 1.0 for row in rows)
        medians = f"by the medians, the GPU is faster at {ahead} of {len(rows)} batch sizes {known}"
        sentence = f"Inconclusive: there are too few samples for a confidence interval; {medians}."
        return Answer(Worth.UNCLEAR, "Unclear, too few samples", sentence)
    sentence = "Inconclusive: the confidence interval includes 1 at one or more batch sizes."
    return Answer(Worth.UNCLEAR, "Unclear", sentence)


def _peak_words(peak: Comparison) -> str:
    interval = "no confidence interval"
    if peak.interval and peak.contender:
        interval = f"{peak.contender.record.timing.confidence:.0%} CI {text.ratio_interval(peak.interval)}"
    batch = text.whole(peak.case.batch_size)
    return f"At its best the GPU is {text.ratio(peak.ratio)} as fast as the CPU ({interval}), at batch size {batch}."


def _crossover_words(curve: Curve) -> str:
    crossover = curve.crossover
    if crossover.batch is not None:
        span = text.open_interval(crossover.interval)
        note = f" ({crossover.note})" if crossover.note else ""
        batch = text.significant(crossover.batch)
        return f"Both are equally fast at a batch size of about {batch} (CI {span}){note}."
    if not crossover.note or len(curve.judged) < 2:
        return ""
    return f"{'Crossover not judged' if crossover.word == 'not judged' else 'No crossover'}: {crossover.note}."


def crossover_cell(curve: Curve) -> str:
    """The crossover as a table's cell: the batch size with its interval, or a word."""
    crossover = curve.crossover
    if len(curve.measured) < 2:
        return text.NONE
    if crossover.batch is None:
        return crossover.word
    return f"{text.significant(crossover.batch)} ({text.open_interval(crossover.interval)})"


_WHERE = {
    Worth.ALWAYS: "at every batch size {known}",
    Worth.FROM_BATCH: "from some batch size on",
    Worth.ONLY_SMALLER: "only at smaller batch sizes",
    Worth.NOWHERE: "at no batch size",
}


def overall(curves: Sequence[Curve]) -> str:
    """A sentence or two on several curves: counts only, since a mean of speedups would hide the differences."""
    counts = Counter(answer(curve).worth for curve in curves)
    measured = sum(len(curve.measured) for curve in curves)
    left_out = measured - sum(len(curve.judged) for curve in curves)
    known = "judged" if left_out else "measured"
    words = ", ".join(f"{w.format(known=known)} for {counts[worth]}" for worth, w in _WHERE.items() if counts[worth])
    parts = [f"the GPU is faster {words}"] if words else []
    if contended := counts[Worth.NOT_JUDGED]:
        parts.append(f"it is not judged for {contended}, {BESIDE_OTHER_WORK}")
    if rest := len(curves) - contended - sum(counts[worth] for worth in _WHERE):
        parts.append(f"it is unclear, or one side was not measured, for {rest}")
    sentence = f"of {len(curves)} workloads, {'; '.join(parts)}."
    return f"{sentence} In all, {_left_out(left_out, measured)}." if left_out else sentence
