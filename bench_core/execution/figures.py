"""What was measured of a step, and the record that is stored of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench_core.core.case import Case
from bench_core.core.modes import Compilation
from bench_core.core.ranks import RankTimes
from bench_core.core.records import Record, Timing
from bench_core.core.results import Contention, Measurement, Parity, Stages
from bench_core.core.step import Step
from bench_core.execution.energy import EnergyReading
from bench_core.execution.extra_call import ExtraCall
from bench_core.execution.flags import flags_of
from bench_core.execution.kernels import Kernels
from bench_core.hardware.device import resolve
from bench_core.workloads.kit.definition import Workload


@dataclass(frozen=True)
class Labels:
    """What a record says about the work, apart from what was measured."""

    family: str
    kind: str
    unit: str
    summary: str
    source: str

    @classmethod
    def of(cls, workload: Workload) -> Labels:
        """The labels of a workload."""
        return cls(workload.family, workload.kind, workload.unit, workload.summary, workload.source)


@dataclass(frozen=True)
class StepFigures:
    """What was measured of a step."""

    measurement: Measurement
    contention: Contention
    peak_memory: int | None
    stages: Stages | None
    extra: ExtraCall
    energy: EnergyReading
    kernels: Kernels
    compilation: Compilation | None
    ranks: RankTimes | None


def record_of(
    step: Step,
    case: Case,
    labels: Labels,
    figures: StepFigures,
    parity: Parity | None,
    no_parity: str,
    seconds: tuple[float, float],
) -> Record:
    """The record of a case; ``seconds`` are those of the build and those of everything."""
    m = figures.measurement
    return Record(
        case=case,
        **vars(labels),
        units=step.units,
        flops=step.flops,
        parameters=step.parameters or None,
        data=step.data,
        device_model=" + ".join(device.model() for device in resolve(step.devices)),
        threads=torch.get_num_threads(),
        timing=Timing.of(m),
        build_seconds=seconds[0],
        wall_seconds=seconds[1],
        peak_memory=figures.peak_memory,
        contention=figures.contention,
        compilation=figures.compilation,
        parity=parity,
        flags=flags_of(case, m, figures.contention, figures.stages, parity),
        stages=figures.stages,
        casts=figures.extra.casts,
        counts=figures.extra.counts,
        peak_host_memory=figures.extra.peak_host_memory,
        energy=figures.energy.energy,
        ranks=figures.ranks,
        kernels=figures.kernels.count,
        unavailable=_unavailable(step, figures, no_parity),
    )


def _unavailable(step: Step, figures: StepFigures, no_parity: str) -> dict[str, str]:
    """Why a field of the record is ``None``, by field."""
    m = figures.measurement
    uncounted = figures.extra.uncounted
    reasons = {
        "interval": None if m.interval else "too few independent samples within the time cap for this confidence",
        "device_time": None if m.device_time else _no_device_time(step),
        "cross_check": None if m.cross_check else "would have taken over a quarter of the time budget",
        "latency": None if m.latency else "a single call takes over a quarter of the time budget",
        "peak_memory": None if figures.peak_memory is not None else "torch does not count host memory",
        "peak_host_memory": None if figures.extra.peak_host_memory is not None else "only Linux lets it be reset",
        "parity": no_parity,
        "counts": uncounted,
        "casts": uncounted if figures.extra.casts and figures.extra.casts.others is None else None,
        "energy": "; ".join(figures.energy.missing),
        "kernels": figures.kernels.missing,
        "flops": None if step.flops is not None else "not defined for this work",
        "parameters": None if step.parameters else "no trainable parameters",
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _no_device_time(step: Step) -> str:
    return "several devices have no clock in common" if len(step.devices) > 1 else "this device has no clock of its own"
