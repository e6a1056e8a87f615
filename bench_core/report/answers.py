"""The answer in plain words: is the GPU worth it, from which batch, and by how much at most."""

from __future__ import annotations

from dataclasses import dataclass

from bench_core.report import text
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
    return ""


def crossover_cell(curve: Curve) -> str:
    """The crossover as a table's cell: the batch with its interval, or the word."""
    found = curve.crossover
    if found.batch is None:
        return found.word
    return f"{text.significant(found.batch)} ({text.open_interval(found.interval)})"


def overall(curves: list[Curve]) -> str:
    """One sentence on all primary curves: counts only, since a mean of speedups would hide what differs."""
    judged = [answer(curve).worth_it for curve in curves]
    always = sum(a.startswith("Yes, at") for a in judged)
    later = sum(a.startswith("Yes, from") for a in judged)
    partly = sum(a.startswith("Only") for a in judged)
    never = judged.count("No")
    rest = len(judged) - always - later - partly - never
    counts = [
        (always, "at every batch measured"),
        (later, "from some batch on"),
        (partly, "only at smaller batches"),
        (never, "at no batch"),
    ]
    words = ", ".join(f"for {n} {where}" for n, where in counts if n)
    unclear = f"{'; ' if words else ''}for {rest} it is unclear or there is no figure on both sides" if rest else ""
    work = "1 workload" if len(judged) == 1 else f"{len(judged)} workloads"
    return f"Of {work} the GPU is faster than the CPU {words}{unclear}." if words else f"Of {work}:{unclear}."
