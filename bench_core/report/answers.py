"""The answer in plain words: is the GPU worth it, from which batch, and by how much at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench_core import text
from bench_core.speedup import Comparison, Curve, Verdict


@dataclass(frozen=True)
class Answer:
    """``worth_it`` opens with yes, no or unclear; ``sentence`` says it in full."""

    worth_it: str
    sentence: str


def answer(curve: Curve) -> Answer:
    """What a curve of matched speedups says."""
    rows, peak = curve.measured, curve.peak
    if peak is None:
        return Answer("No figure on both sides", "No batch has a figure on both devices, so nothing can be said.")
    worth_it, opening = _judge(curve)
    parts = [opening, _peak_words(peak), _crossover_words(curve)]
    if len(rows) == 1:
        parts.append("Only one batch was measured on both devices.")
    return Answer(worth_it, " ".join(part for part in parts if part))


def _judge(curve: Curve) -> tuple[str, str]:
    rows = curve.measured
    faster = [row.case.batch_size for row in rows if row.verdict == Verdict.FASTER]
    if curve.from_batch == rows[0].case.batch_size:
        where = "at every batch measured" if len(rows) > 1 else f"at batch {text.whole(curve.from_batch)}"
        return f"Yes, {where}", f"The GPU is faster {where}."
    if curve.from_batch is not None:
        batch = text.whole(curve.from_batch)
        return f"Yes, from batch {batch}", f"The GPU is worth it from batch {batch} on."
    if faster:
        some = ", ".join(text.whole(batch) for batch in faster)
        return f"Only at batch {some}", f"The GPU is faster only at batch {some}, not at the largest measured."
    if all(row.verdict == Verdict.SLOWER for row in rows):
        return "No", "The GPU is not worth it: the CPU is faster at every batch measured."
    if all(row.verdict in (Verdict.SLOWER, Verdict.SAME) for row in rows):
        return "No", "The GPU is not worth it: it is nowhere faster by more than the tolerance."
    bare = [row for row in rows if row.interval is None]
    if bare:
        ahead = sum((row.ratio or 0.0) > 1.0 for row in rows)
        words = f"the medians put the GPU ahead at {ahead} of {len(rows)} batches measured"
        return "Unclear, too few samples", f"Unclear: there are too few samples for an interval, but {words}."
    return "Unclear", "Unclear: at no batch is the GPU surely faster, and not at every batch is it surely not."


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


def overall(curves: Sequence[Curve]) -> str:
    """One sentence on several curves: counts only, since a mean of speedups would hide what differs."""
    judged = [answer(curve).worth_it for curve in curves]
    counts = (
        (sum(a.startswith("Yes, at") for a in judged), "at every batch measured"),
        (sum(a.startswith("Yes, from") for a in judged), "from some batch on"),
        (sum(a.startswith("Only") for a in judged), "only at smaller batches"),
        (judged.count("No"), "at no batch"),
    )
    words = ", ".join(f"{where} for {n}" for n, where in counts if n)
    rest = len(judged) - sum(n for n, _ in counts)
    parts = [f"the GPU is faster {words}"] if words else []
    parts += [f"it is unclear, or a side has no figure, for {rest}"] if rest else []
    return f"of {len(judged)} workloads, {'; '.join(parts)}."
