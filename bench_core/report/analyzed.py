"""Everything that is computed from the runs of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench_core.analysis.causes import Cause, Key, Limits, causes, limits
from bench_core.analysis.comparison import Comparison
from bench_core.analysis.gpu_bounds import Potential, potentials
from bench_core.analysis.speedup import Curve, Pool, best_against_best, curves, pool, threads, variant_comparisons
from bench_core.core.records import Run
from bench_core.report import facts
from bench_core.report.plots.series import MachineLabels


@dataclass(frozen=True)
class Analysis:
    """Everything computed from the runs, before it is put into words. ``at_hand`` are the runs that the report is
    about, ``others`` those whose GPU is the other side. ``potentials`` are those of machines of which no GPU was
    measured."""

    at_hand: tuple[Run, ...]
    others: tuple[Run, ...]
    pooled: Pool
    curves: tuple[Curve, ...]
    best: tuple[Comparison, ...]
    threads: tuple[Comparison, ...]
    variants: tuple[Comparison, ...]
    labels: MachineLabels
    limits: Limits
    causes: Mapping[Key, Cause]
    potentials: tuple[Potential, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs."""
        return (*self.at_hand, *self.others)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison, for the CSV."""
        return (*(row for curve in self.curves for row in curve.rows), *self.best, *self.threads, *self.variants)


def analyze(at_hand: Sequence[Run], others: Sequence[Run] = ()) -> Analysis:
    """Pool the runs and make all comparisons. ``others`` are runs with the GPU of another machine as the other side."""
    runs = (*at_hand, *others)
    pooled, known = pool(runs), limits(runs)
    undivided = pooled.undivided
    why = causes(pooled.results, known)
    with_gpu = {result.machine.hardware for result in pooled.results if result.on_gpu}
    return Analysis(
        at_hand=tuple(at_hand),
        others=tuple(others),
        pooled=pooled,
        curves=curves(undivided),
        best=best_against_best(undivided),
        threads=threads(undivided),
        variants=variant_comparisons(undivided),
        labels=facts.machine_labels(at_hand, others),
        limits=known,
        causes=why,
        potentials=potentials(cause for (hardware, _), cause in why.items() if hardware not in with_gpu),
    )
