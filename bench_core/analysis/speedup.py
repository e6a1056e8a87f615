"""From stored runs to speedups: which results count, CPU against GPU, one thread against all, variants, crossovers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench_core.analysis.comparison import (
    Comparison,
    Result,
    Verdict,
    compare_pair,
)
from bench_core.analysis.crossover import Crossover, crossover
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import AUTOCAST, DTYPES, VARIANTS, Case, cpu_dtype, cpu_variant
from bench_core.core.records import Run, oldest_first


@dataclass(frozen=True)
class Pool:
    """The results that count; how many records were replaced by a newer one of the same machine and case (``older``);
    and how many were left out because that machine's newest run has other software (``other_software``)."""

    results: tuple[Result, ...]
    older: int
    other_software: int = 0

    @property
    def undivided(self) -> Pool:
        """The same without work over ranks, which is compared with one rank only."""
        return replace(self, results=tuple(result for result in self.results if result.case.ranks is None))


def pool(runs: Iterable[Run]) -> Pool:
    """The newest record of each machine (by its hardware) and case, from several runs.

    Only records with the software of that machine's newest run count, so that no curve mixes versions of torch. A
    contended record does not replace one of the same commit that is not. The results are in the order of families and
    workloads by name, since cases run in the order of their cost where there is a budget.
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
            key, result = (run.info.machine.hardware, record.case), Result(record, run.info)
            newest[key] = _that_counts(newest.get(key, result), result)
            seen += 1
    ordered_results = sorted(newest.values(), key=lambda result: (result.record.family, result.case.workload))
    return Pool(tuple(ordered_results), seen - len(newest), other)


def _that_counts(older: Result, newer: Result) -> Result:
    """The newer of two results of a case, unless only the older was measured without other work beside it."""
    worse = newer.record.contended and not older.record.contended
    return older if worse and older.info.commit == newer.info.commit else newer


@dataclass(frozen=True)
class Curve:
    """The matched comparisons of one workload, setting, dtype and variant on two devices, by ascending batch."""

    rows: tuple[Comparison, ...]
    crossover: Crossover

    @property
    def from_batch(self) -> int | None:
        """The smallest batch from which on every judged ratio is FASTER; ``None`` if the last is not."""
        smallest = None
        for row in reversed(self.judged):
            if row.verdict != Verdict.FASTER:
                break
            smallest = row.case.batch_size
        return smallest

    @property
    def peak(self) -> Comparison | None:
        """The judged row with the largest ratio."""
        return max(self.judged, key=lambda row: row.ratio or 0.0, default=None)

    @property
    def measured(self) -> tuple[Comparison, ...]:
        """The rows with a result on both sides."""
        return tuple(row for row in self.rows if row.ratio is not None)

    @property
    def judged(self) -> tuple[Comparison, ...]:
        """The measured rows of which no side was measured beside other work: every answer rests on them alone."""
        return tuple(row for row in self.measured if not row.contended)


Lines = Mapping[tuple[str, Case], Mapping[int, Result]]


def curves(pooled: Pool) -> tuple[Curve, ...]:
    """R = t_cpu / t_gpu for every GPU result and its counterpart on all usable cores of the CPU, with the crossover.

    The two sides have the same workload, setting, batch, dtype (tf32 is matched with the CPU's fp32), variant
    (cuda_graph is matched with the CPU's eager) and seed. The CPU results are from the GPU's own machine. If that
    machine has none for a curve, they are from the machine with the most batches in common, the newest of several, and
    every such row says so.
    """
    lines = _lines(pooled.results)
    matched = []
    for (home, line), gpu in lines.items():
        if line.device == "cpu":
            continue
        wanted = _wanted(line)
        cpu = lines.get((_cpu_home(lines, home, wanted, gpu), wanted), {})
        rows = [compare_pair("matched", cpu.get(b), gpu.get(b)) for b in sorted({*cpu, *gpu})]
        matched.append(Curve(tuple(rows), _crossover_of(rows)))
    return tuple(matched)


def _crossover_of(rows: Iterable[Comparison]) -> Crossover:
    """The crossover of the rows that are not contended, unless it would bridge one that is."""
    measured = [row for row in rows if row.ratio is not None]
    both = [(row.case.batch_size, row.ratio, row.interval) for row in measured if row.ratio and not row.contended]
    if len(both) < 2 <= len(measured):
        return Crossover("not judged", note=f"fewer than two batch sizes are left; the others were {BESIDE_OTHER_WORK}")
    found = crossover([b for b, _, _ in both], [r for _, r, _ in both], [i for _, _, i in both])
    if found.batch is None:
        return found
    below = max(batch for batch, _, _ in both if batch <= found.batch)
    above = min(batch for batch, _, _ in both if batch >= found.batch)
    if any(row.contended and below < row.case.batch_size < above for row in measured):
        between = f"R crosses 1 between batch sizes {below} and {above}, and those between were {BESIDE_OTHER_WORK}"
        return Crossover("not judged", note=between)
    return found


def _lines(results: Iterable[Result]) -> Lines:
    """Results by machine and case without its batch, then by batch."""
    lines: dict[tuple[str, Case], dict[int, Result]] = defaultdict(dict)
    for result in results:
        lines[result.machine.hardware, replace(result.case, batch_size=0)][result.case.batch_size] = result
    return dict(lines)


def _wanted(gpu: Case) -> Case:
    """The CPU case, on all usable cores, with which a GPU case is matched."""
    variant = cpu_variant(gpu.variant) if gpu.variant else ""
    return replace(gpu, device="cpu", dtype=cpu_dtype(gpu.dtype), variant=variant, threads=None)


def _cpu_home(lines: Lines, home: str, wanted: Case, gpu: Mapping[int, Result]) -> str:
    if (home, wanted) in lines:
        return home
    others = [(hardware, cpu) for (hardware, line), cpu in lines.items() if line == wanted]
    ranked = ((len(cpu.keys() & gpu.keys()), max(f.info.started for f in cpu.values()), hw) for hw, cpu in others)
    return max(ranked, default=(0, "", home))[2]


def best_against_best(pooled: Pool) -> tuple[Comparison, ...]:
    """Each side's shortest time per unit for a workload, setting and dtype, at its own best batch, variant and threads.

    Contended results count only where a side has no others; such a pair is not judged. The minimum of several noisy
    results is slightly too optimistic, on both sides.
    """
    sides: dict[tuple[str, Case], dict[int, Result]] = defaultdict(dict)
    for result in pooled.results:
        # What casts in each call is other work than what has its numbers stored in 16 bits.
        casting = AUTOCAST if AUTOCAST in result.case.variant_parts else ""
        free = replace(result.case, batch_size=0, variant=casting, threads=None)
        best = sides[result.machine.hardware, free].setdefault(0, result)
        if time_rank(result) < time_rank(best):
            sides[result.machine.hardware, free][0] = result
    best_pairs = []
    for (home, side), gpu in sides.items():
        if side.device != "cpu":
            wanted = _wanted(side)
            cpu = sides.get((_cpu_home(sides, home, wanted, gpu), wanted), {})
            best_pairs.append(compare_pair("best against best", cpu.get(0), gpu[0]))
    return tuple(best_pairs)


def time_rank(result: Result) -> tuple[bool, float]:
    """Lower is better: by the time per unit, and contended results come after all others."""
    return result.record.contended, result.record.per_unit


def threads(pooled: Pool) -> tuple[Comparison, ...]:
    """One thread (base) against all usable cores (contender) of the same CPU, if one thread was measured."""
    lines = _lines(pooled.results)
    return tuple(
        compare_pair("threads", alone[batch], lines.get((home, replace(line, threads=None)), {}).get(batch))
        for (home, line), alone in lines.items()
        if line.device == "cpu" and line.threads == 1
        for batch in sorted(alone)
    )


def variant_comparisons(pooled: Pool) -> tuple[Comparison, ...]:
    """fp32 in eager mode (base) against every other dtype and variant (contender) on the same device and at the same
    batch, for all that were measured: above 1 the other dtype or variant is faster."""
    lines = _lines(pooled.results)
    return tuple(
        compare_pair("variants", plain[batch], other[batch])
        for (home, line), other in lines.items()
        if (plain := lines.get((home, replace(line, dtype=DTYPES[0], variant=VARIANTS[0])), {})) is not other
        for batch in sorted(plain.keys() & other.keys())
    )
