"""From stored runs to speedups: which figure counts, CPU against GPU, one thread against all, and the crossover."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from bench_core.comparison import (
    DESCRIPTIVE,
    TOLERANCE,
    Comparison,
    Figure,
    Kind,
    Verdict,
    compare,
    put_beside,
    verdict,
)
from bench_core.records import Run
from bench_core.spec import Case
from bench_core.stats import Floats, Interval

__all__ = [
    "DESCRIPTIVE",
    "TOLERANCE",
    "Comparison",
    "Crossover",
    "Curve",
    "Figure",
    "Kind",
    "Pool",
    "Verdict",
    "best_against_best",
    "compare",
    "crossover",
    "curves",
    "pool",
    "threads",
    "verdict",
    "ways",
]

CPU_COUNTERPART = {"tf32": "fp32"}
"""The CPU's dtype that a GPU's dtype is matched with, where it is not the same."""


@dataclass(frozen=True)
class Pool:
    """The figures that count, how many older records of the same machine and case do not, and how many do not for
    being measured with other software than that machine's newest run."""

    figures: tuple[Figure, ...]
    older: int
    other_software: int = 0


def pool(runs: Iterable[Run]) -> Pool:
    """Of several runs the newest record of each machine (by its hardware) and case.

    Only records with the software of that machine's newest run count, so that no curve mixes versions of torch.
    """
    ordered = sorted(runs, key=lambda run: (run.info.started, run.info.run_id))
    current = {run.info.machine.hardware: run.info.machine.software for run in ordered}
    newest: dict[tuple[str, Case], Figure] = {}
    seen = other = 0
    for run in ordered:
        if run.info.machine.software != current[run.info.machine.hardware]:
            other += len(run.records)
            continue
        for record in run.records:
            newest[run.info.machine.hardware, record.case] = Figure(record, run.info)
            seen += 1
    return Pool(tuple(newest.values()), seen - len(newest), other)


@dataclass(frozen=True)
class Crossover:
    """Where the GPU overtakes the CPU: a batch with its interval (an end that is open is ``None``), or only a word."""

    word: Literal["crossover", "GPU always", "CPU always", "not reached"]
    batch: float | None = None
    interval: tuple[float | None, float | None] = (None, None)
    note: str = ""


def crossover(batches: Sequence[float], ratios: Sequence[float], intervals: Sequence[Interval | None]) -> Crossover:
    """The batch from which on R stays above 1, interpolated in log-log between the neighbouring measured batches.

    ``batches`` rise; ``ratios`` are R = t_cpu / t_gpu there. The interval runs from where the upper ends of R's
    intervals cross 1 to where the lower ends do; an end is open (``None``) where that lies outside the measured
    batches, and an R without an interval counts as bounded by nothing. "GPU always" and "CPU always" hold for the
    measured batches and need every interval wholly on that side. Where R crosses 1 several times, the last crossing
    counts if R ends above 1; if it ends below, there is none.

    Raises ``ValueError`` for batches that do not rise, numbers not above 0 or lists of unequal length.
    """
    if not len(batches) == len(ratios) == len(intervals):
        raise ValueError(f"{len(batches)} batches, {len(ratios)} ratios and {len(intervals)} intervals; give one each")
    if any(a >= b for a, b in pairwise(batches)) or min([*batches, *ratios], default=1.0) <= 0.0:
        raise ValueError("batches must rise, and batches and ratios be above 0")
    if len(batches) < 2:
        return Crossover("not reached", note="fewer than two batches were measured on both devices")
    lower = [interval[0] if interval else 0.0 for interval in intervals]
    upper = [interval[1] if interval else np.inf for interval in intervals]
    if min(lower) > 1.0:
        return Crossover("GPU always")
    if max(upper) < 1.0:
        return Crossover("CPU always")
    x, center, low, high = (np.log(np.clip(values, 1e-300, 1e300)) for values in (batches, ratios, lower, upper))
    batch = _last_rise(x, center)
    crossings = int(np.sum(np.diff(center > 0.0)))
    if batch is None:
        side = "above" if center[-1] > 0.0 else "not above"
        note = "R crosses 1 but ends below it" if crossings else f"R is {side} 1 throughout, but not every interval is"
        return Crossover("not reached", note=note)
    note = f"R crosses 1 {crossings} times; this is the last" if crossings > 1 else ""
    return Crossover("crossover", batch, (_last_rise(x, high), _last_rise(x, low)), note)


def _last_rise(x: Floats, y: Floats) -> float | None:
    """exp of the x at which y rises above 0 for the last time and stays there; ``None`` if it does not."""
    below = np.flatnonzero(y <= 0.0)
    if y[-1] <= 0.0 or not len(below):
        return None
    i = int(below[-1])
    return float(np.exp(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])))


@dataclass(frozen=True)
class Curve:
    """The matched comparisons of one workload, setting, dtype and variant on one pair of devices, by rising batch."""

    rows: tuple[Comparison, ...]
    crossover: Crossover

    @property
    def from_batch(self) -> int | None:
        """The smallest batch from which on every measured ratio is FASTER; ``None`` if the last is not."""
        found = None
        for row in reversed(self.measured):
            if row.verdict != Verdict.FASTER:
                break
            found = row.case.batch_size
        return found

    @property
    def peak(self) -> Comparison | None:
        """The row of the largest ratio."""
        return max(self.measured, key=lambda row: row.ratio or 0.0, default=None)

    @property
    def measured(self) -> tuple[Comparison, ...]:
        """The rows with a figure on both sides."""
        return tuple(row for row in self.rows if row.ratio is not None)


Lines = Mapping[tuple[str, Case], Mapping[int, Figure]]


def curves(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Curve, ...]:
    """R = t_cpu / t_gpu for every GPU figure and its counterpart on all usable cores of the CPU, with the crossover.

    Matched are workload, setting, batch, dtype (tf32 with the CPU's fp32), variant (cuda_graph with the CPU's eager)
    and seed. The CPU figures are those of the GPU's own machine; only if it has none of this line, those of the one
    machine sharing most batches, newest first, and every such row says so.
    """
    lines = _lines(pooled.figures)
    found = []
    for (home, line), gpu in lines.items():
        if line.device == "cpu":
            continue
        wanted = _wanted(line)
        cpu = lines.get((_cpu_home(lines, home, wanted, gpu), wanted), {})
        rows = [put_beside("matched", cpu.get(b), gpu.get(b), tolerance) for b in sorted({*cpu, *gpu})]
        found.append(Curve(tuple(rows), _crossover_of(rows)))
    return tuple(found)


def _crossover_of(rows: Iterable[Comparison]) -> Crossover:
    both = [(row.case.batch_size, row.ratio, row.interval) for row in rows if row.ratio is not None]
    return crossover([b for b, _, _ in both], [r for _, r, _ in both], [i for _, _, i in both])


def _lines(figures: Iterable[Figure]) -> Lines:
    """Figures by machine and case with the batch left out, then by batch."""
    lines: dict[tuple[str, Case], dict[int, Figure]] = defaultdict(dict)
    for figure in figures:
        lines[figure.machine.hardware, replace(figure.case, batch_size=0)][figure.case.batch_size] = figure
    return dict(lines)


def _wanted(gpu: Case) -> Case:
    """The case of all usable CPU cores that a GPU's is matched with."""
    variant = "+".join(part for part in gpu.variant.split("+") if part != "cuda_graph") or "eager"
    dtype = CPU_COUNTERPART.get(gpu.dtype, gpu.dtype)
    return replace(gpu, device="cpu", dtype=dtype, variant=variant if gpu.variant else "", threads=None)


def _cpu_home(lines: Lines, home: str, wanted: Case, gpu: Mapping[int, Figure]) -> str:
    if (home, wanted) in lines:
        return home
    others = [(hardware, cpu) for (hardware, line), cpu in lines.items() if line == wanted]
    ranked = ((len(cpu.keys() & gpu.keys()), max(f.info.started for f in cpu.values()), hw) for hw, cpu in others)
    return max(ranked, default=(0, "", home))[2]


def best_against_best(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """Each side's least time per unit for a workload, setting and dtype: each chooses its batch, variant and threads.

    The least of several noisy figures is a little too good, on both sides.
    """
    sides: dict[tuple[str, Case], dict[int, Figure]] = defaultdict(dict)
    for figure in pooled.figures:
        free = replace(figure.case, batch_size=0, variant="", threads=None)
        best = sides[figure.machine.hardware, free].setdefault(0, figure)
        if figure.record.per_unit < best.record.per_unit:
            sides[figure.machine.hardware, free][0] = figure
    found = []
    for (home, side), gpu in sides.items():
        if side.device != "cpu":
            wanted = _wanted(side)
            cpu = sides.get((_cpu_home(sides, home, wanted, gpu), wanted), {})
            found.append(put_beside("best against best", cpu.get(0), gpu[0], tolerance))
    return tuple(found)


def threads(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """One thread (base) against all usable cores (contender) of the same CPU, wherever one thread was measured."""
    lines = _lines(pooled.figures)
    return tuple(
        put_beside("threads", alone[batch], lines.get((home, replace(line, threads=None)), {}).get(batch), tolerance)
        for (home, line), alone in lines.items()
        if line.device == "cpu" and line.threads == 1
        for batch in sorted(alone)
    )


def ways(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """fp32 in eager mode (base) against every other dtype and variant (contender) on the same device, wherever both
    were measured at the same batch: above 1 the other way is the faster one."""
    lines = _lines(pooled.figures)
    return tuple(
        put_beside("ways", plain[batch], other[batch], tolerance)
        for (home, line), other in lines.items()
        if (plain := lines.get((home, replace(line, dtype="fp32", variant="eager")), {})) is not other
        for batch in sorted(plain.keys() & other.keys())
    )
