"""From stored runs to speedups: which figure counts, CPU against GPU, one thread against all, and the crossover."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench_core.analysis.comparison import (
    TOLERANCE,
    Comparison,
    Result,
    Verdict,
    compare_pair,
)
from bench_core.analysis.crossover import Crossover, crossover
from bench_core.core.case import DTYPES, VARIANTS, Case, cpu_dtype, cpu_variant
from bench_core.core.records import Run, oldest_first


@dataclass(frozen=True)
class Pool:
    """The figures that count, how many older records of the same machine and case do not, and how many do not for
    being measured with other software than that machine's newest run."""

    figures: tuple[Result, ...]
    older: int
    other_software: int = 0


def pool(runs: Iterable[Run]) -> Pool:
    """Of several runs the newest record of each machine (by its hardware) and case.

    Only records with the software of that machine's newest run count, so that no curve mixes versions of torch.
    """
    ordered = oldest_first(runs)
    current = {run.info.machine.hardware: run.info.machine.software for run in ordered}
    newest: dict[tuple[str, Case], Result] = {}
    seen = other = 0
    for run in ordered:
        if run.info.machine.software != current[run.info.machine.hardware]:
            other += len(run.records)
            continue
        for record in run.records:
            newest[run.info.machine.hardware, record.case] = Result(record, run.info)
            seen += 1
    return Pool(tuple(newest.values()), seen - len(newest), other)


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


Lines = Mapping[tuple[str, Case], Mapping[int, Result]]


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
        rows = [compare_pair("matched", cpu.get(b), gpu.get(b), tolerance) for b in sorted({*cpu, *gpu})]
        found.append(Curve(tuple(rows), _crossover_of(rows)))
    return tuple(found)


def _crossover_of(rows: Iterable[Comparison]) -> Crossover:
    both = [(row.case.batch_size, row.ratio, row.interval) for row in rows if row.ratio is not None]
    return crossover([b for b, _, _ in both], [r for _, r, _ in both], [i for _, _, i in both])


def _lines(figures: Iterable[Result]) -> Lines:
    """Figures by machine and case with the batch left out, then by batch."""
    lines: dict[tuple[str, Case], dict[int, Result]] = defaultdict(dict)
    for figure in figures:
        lines[figure.machine.hardware, replace(figure.case, batch_size=0)][figure.case.batch_size] = figure
    return dict(lines)


def _wanted(gpu: Case) -> Case:
    """The case of all usable CPU cores that a GPU's is matched with."""
    variant = cpu_variant(gpu.variant) if gpu.variant else ""
    return replace(gpu, device="cpu", dtype=cpu_dtype(gpu.dtype), variant=variant, threads=None)


def _cpu_home(lines: Lines, home: str, wanted: Case, gpu: Mapping[int, Result]) -> str:
    if (home, wanted) in lines:
        return home
    others = [(hardware, cpu) for (hardware, line), cpu in lines.items() if line == wanted]
    ranked = ((len(cpu.keys() & gpu.keys()), max(f.info.started for f in cpu.values()), hw) for hw, cpu in others)
    return max(ranked, default=(0, "", home))[2]


def best_against_best(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """Each side's least time per unit for a workload, setting and dtype: each chooses its batch, variant and threads.

    The least of several noisy figures is a little too good, on both sides.
    """
    sides: dict[tuple[str, Case], dict[int, Result]] = defaultdict(dict)
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
            found.append(compare_pair("best against best", cpu.get(0), gpu[0], tolerance))
    return tuple(found)


def threads(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """One thread (base) against all usable cores (contender) of the same CPU, wherever one thread was measured."""
    lines = _lines(pooled.figures)
    return tuple(
        compare_pair("threads", alone[batch], lines.get((home, replace(line, threads=None)), {}).get(batch), tolerance)
        for (home, line), alone in lines.items()
        if line.device == "cpu" and line.threads == 1
        for batch in sorted(alone)
    )


def variant_comparisons(pooled: Pool, tolerance: float = TOLERANCE) -> tuple[Comparison, ...]:
    """fp32 in eager mode (base) against every other dtype and variant (contender) on the same device, wherever both
    were measured at the same batch: above 1 the other way is the faster one."""
    lines = _lines(pooled.figures)
    return tuple(
        compare_pair("variants", plain[batch], other[batch], tolerance)
        for (home, line), other in lines.items()
        if (plain := lines.get((home, replace(line, dtype=DTYPES[0], variant=VARIANTS[0])), {})) is not other
        for batch in sorted(plain.keys() & other.keys())
    )
