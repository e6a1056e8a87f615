"""What a GPU could give at most: an upper bound of the speedup, from counted work and the data sheets of GPUs.

A bound is never a measurement. It assumes that the GPU computes and moves data at its full speed all the time, and that
the host issues operators as fast as this machine issues those of the CPU. So work in eager mode cannot be faster; where
the bound is below 1, no GPU of this kind is worth it for this work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench_core.analysis.best import best_of_each
from bench_core.analysis.causes import Cause
from bench_core.analysis.regimes import Figures

TERA, GIGA, MEBI = 1e12, 1e9, 2**20


@dataclass(frozen=True)
class DataSheet:
    """A GPU as its maker describes it: FLOP/s by dtype without sparsity, bytes per second of its memory, and the bytes
    of its last cache."""

    name: str
    flops: Mapping[str, float]
    bandwidth: float
    cache: int
    source: str = field(compare=False)

    def peak(self, dtype: str) -> float | None:
        """FLOP/s in a dtype of the suite; ``None`` if the GPU does not have it. By default torch uses TF32 in
        convolutions, so ``default`` has that peak."""
        return self.flops.get("tf32" if dtype == "default" else dtype) or (
            self.flops["fp32"] if dtype in ("default", "tf32") else None
        )


def _sheet(name: str, fp32: float, tf32: float, half: float, bandwidth: float, cache: int, source: str) -> DataSheet:
    """From TFLOP/s, GB/s and MiB; 0 for a dtype that the GPU does not have."""
    flops = {"fp32": fp32, "tf32": tf32, "bf16": half if tf32 else 0.0, "fp16": half}
    known = {dtype: TERA * peak for dtype, peak in flops.items() if peak}
    return DataSheet(name, known, GIGA * bandwidth, cache * MEBI, source)


DATA_SHEETS = (
    _sheet("T4", 8.1, 0.0, 65.0, 320.0, 4, "NVIDIA T4 data sheet; Turing white paper"),
    _sheet("L4", 30.3, 60.0, 121.0, 300.0, 48, "NVIDIA L4 data sheet; Ada white paper"),
    _sheet("A10", 31.2, 62.5, 125.0, 600.0, 6, "NVIDIA A10 data sheet"),
    _sheet("RTX 4090", 82.6, 82.6, 165.2, 1008.0, 72, "NVIDIA Ada white paper, appendix A"),
    _sheet("A100 80GB SXM", 19.5, 156.0, 312.0, 2039.0, 40, "NVIDIA A100 data sheet; Ampere white paper"),
    _sheet("H100 SXM", 67.0, 494.7, 989.4, 3350.0, 50, "NVIDIA H100 data sheet; Hopper white paper"),
    _sheet("H200 SXM", 67.0, 494.7, 989.4, 4800.0, 50, "NVIDIA H200 data sheet; Hopper white paper"),
)


@dataclass(frozen=True)
class SpeedupBound:
    """The most that a GPU could give: ``speedup``, and the least seconds of each part of the work, by its name."""

    gpu: str
    speedup: float
    parts: Mapping[str, float]

    @property
    def limit(self) -> str:
        """The part that takes longest."""
        return max(self.parts, key=lambda part: self.parts[part])


def bound(sheet: DataSheet, figures: Figures, operator_seconds: float) -> SpeedupBound | None:
    """The most that a GPU could gain over a call on the CPU; ``None`` if it does not have the dtype, or if the call's
    operators were not counted.

    It must compute the FLOPs, move the footprint at least once as far as it does not fit into its cache, and get the
    operators from the host, which needs ``operator_seconds`` for each, and prepares the inputs of a pipeline as before.
    These parts overlap.
    """
    peak = sheet.peak(figures.dtype)
    if peak is None or figures.operators is None or figures.footprint is None:
        return None
    parts = {
        "issue": figures.operators * operator_seconds,
        "loader": figures.loader or 0.0,
        "bandwidth": max(0, figures.footprint - sheet.cache) / sheet.bandwidth,
        "compute": (figures.flops or 0) / peak,
    }
    longest = max(parts.values())
    return SpeedupBound(sheet.name, figures.seconds / longest, parts) if longest else None


@dataclass(frozen=True)
class Potential:
    """What some GPUs could give at most for a case on all cores of a CPU."""

    cause: Cause
    bounds: tuple[SpeedupBound, ...]

    @property
    def workload(self) -> tuple[str, str]:
        """The machine's hardware and the name of the workload."""
        return self.cause.result.machine.hardware, self.cause.result.case.workload

    def of(self, gpu: str) -> float | None:
        """The bound of the speedup on a GPU, by its name."""
        return next((bound.speedup for bound in self.bounds if bound.gpu == gpu), None)

    @property
    def largest(self) -> SpeedupBound:
        """The bound of the GPU that could give most."""
        return max(self.bounds, key=lambda bound: bound.speedup)


def best_of_workloads(potentials: Iterable[Potential], gpu: str | None = None) -> Mapping[tuple[str, str], Potential]:
    """For each machine and workload the plain case with the largest bound, of one GPU or of any."""

    def rank(one: Potential) -> float:
        return -((one.of(gpu) or 0.0) if gpu else one.largest.speedup)

    return best_of_each((one for one in potentials if one.cause.result.case.plain), lambda one: one.workload, rank)


def potentials(causes: Iterable[Cause]) -> tuple[Potential, ...]:
    """The bounds for every result on all cores of a CPU that is not contended, and whose operators were counted."""
    found = []
    for cause in causes:
        case = cause.result.case
        if case.device_type != "cpu" or case.threads is not None or cause.result.record.contended:
            continue
        limits = cause.ceilings
        each = limits.training_operator if cause.figures.training else limits.operator
        bounds = tuple(one for sheet in DATA_SHEETS if (one := bound(sheet, cause.figures, each)))
        if bounds:
            found.append(Potential(cause, bounds))
    return tuple(found)
