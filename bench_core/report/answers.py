"""The answer in plain words: is the GPU worth it, from which batch, and by how much at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from bench_core.analysis.comparison import Comparison, Verdict
from bench_core.analysis.speedup import Curve
from bench_core.core import text


class Worth(Enum):
    """Where the GPU is faster, of the batches measured."""

    ALWAYS = auto()
    FROM_BATCH = auto()
    ONLY_SMALLER = auto()
    NOWHERE = auto()
    UNCLEAR = auto()
    NO_FIGURES = auto()


@dataclass(frozen=True)
class Answer:
    """The answer to "is it worth it?": for programs, as a table's cell, and as a sentence."""

    worth: Worth
    cell: str
    sentence: str


def answer(curve: Curve) -> Answer:
    """What a curve of matched speedups says."""
    rows, peak = curve.measured, curve.peak
    if peak is None:
        sentence = "No batch has a figure on both devices, so there is no answer."
        return Answer(Worth.NO_FIGURES, "No figure on both sides", sentence)
    opening = _judge(curve)
    parts = [opening.sentence, _peak_words(peak), _crossover_words(curve)]
    if len(rows) == 1:
        parts.append("Only one batch was measured on both devices.")
    return replace(opening, sentence=" ".join(part for part in parts if part))


def _judge(curve: Curve) -> Answer:
    rows = curve.measured
    faster = [row.case.batch_size for row in rows if row.verdict == Verdict.FASTER]
    if curve.from_batch == rows[0].case.batch_size:
        where = "at every batch measured" if len(rows) > 1 else f"at batch {text.whole(curve.from_batch)}"
        return Answer(Worth.ALWAYS, f"Yes, {where}", f"The GPU is faster {where}.")
    if curve.from_batch is not None:
        batch = text.whole(curve.from_batch)
        return Answer(Worth.FROM_BATCH, f"Yes, from batch {batch}", f"The GPU is worth it from batch {batch} on.")
    if faster:
        some = ", ".join(text.whole(batch) for batch in faster)
        sentence = f"The GPU is faster only at batch {some}, not at the largest measured."
        return Answer(Worth.ONLY_SMALLER, f"Only at batch {some}", sentence)
    if all(row.verdict == Verdict.SLOWER for row in rows):
        return Answer(Worth.NOWHERE, "No", "The GPU is not worth it: the CPU is faster at every batch measured.")
    if all(row.verdict in (Verdict.SLOWER, Verdict.SAME) for row in rows):
        sentence = "The GPU is not worth it: at no batch is it faster by more than the tolerance."
        return Answer(Worth.NOWHERE, "No", sentence)
    if any(row.interval is None for row in rows):
        ahead = sum((row.ratio or 0.0) > 1.0 for row in rows)
        words = f"the medians put the GPU ahead at {ahead} of {len(rows)} batches measured"
        sentence = f"Inconclusive: there are too few samples for an interval, but {words}."
        return Answer(Worth.UNCLEAR, "Unclear, too few samples", sentence)
    sentence = "Inconclusive: the confidence interval includes 1 at one or more batch sizes."
    return Answer(Worth.UNCLEAR, "Unclear", sentence)


def _peak_words(peak: Comparison) -> str:
    interval = (
        f" (interval {text.ratio_interval(peak.interval)})" if peak.interval else " (no interval: too few samples)"
    )
    batch = text.whole(peak.case.batch_size)
    if peak.ratio is not None and peak.ratio > 1.0:
        return f"At most it is {text.ratio(peak.ratio)} as fast as the CPU{interval}, at batch {batch}."
    return f"At best it runs at {text.ratio(peak.ratio)} the speed of the CPU{interval}, at batch {batch}."


def _crossover_words(curve: Curve) -> str:
    found = curve.crossover
    if found.batch is not None:
        span = text.open_interval(found.interval)
        note = f" ({found.note})" if found.note else ""
        return f"Both are equally fast at about batch {text.significant(found.batch)} (interval {span}){note}."
    return f"No crossover: {found.note}." if found.note and len(curve.measured) > 1 else ""


def crossover_cell(curve: Curve) -> str:
    """The crossover as a table's cell: the batch with its interval, or the word."""
    found = curve.crossover
    if found.batch is None:
        return found.word
    return f"{text.significant(found.batch)} ({text.open_interval(found.interval)})"


_WHERE = {
    Worth.ALWAYS: "at every batch measured",
    Worth.FROM_BATCH: "from some batch on",
    Worth.ONLY_SMALLER: "only at smaller batches",
    Worth.NOWHERE: "at no batch",
}


def overall(curves: Sequence[Curve]) -> str:
    """One sentence on several curves: counts only, since a mean of speedups would hide what differs."""
    counts = Counter(answer(curve).worth for curve in curves)
    words = ", ".join(f"{where} for {counts[worth]}" for worth, where in _WHERE.items() if counts[worth])
    rest = sum(count for worth, count in counts.items() if worth not in _WHERE)
    parts = [f"the GPU is faster {words}"] if words else []
    parts += [f"it is unclear, or a side has no figure, for {rest}"] if rest else []
    return f"of {len(curves)} workloads, {'; '.join(parts)}."
