"""The parity check of a case's first call, as the runner does it; steps in float64."""

from __future__ import annotations

import torch

from bench_core import Case, Step, Workload, workloads
from bench_core.core.results import Parity
from bench_core.execution.parity import gate, judge
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.kit import building


def in_float64(name: str, batch_size: int, setting: str = "") -> Step:
    """A step as in the reference of its case, which is computed in float64."""
    case = Case(name, batch_size=batch_size, setting=setting)
    return building.build_anywhere(workloads.get(name), case, storage=torch.float64)


def check(case: Case, step: Step | None = None, workload: Workload | None = None) -> Parity:
    """Check the first call of a case's step, or of one that was built by other means."""
    workload = workload or workloads.get(case.workload)
    step = step or building.build(workload, case)
    judge.check_build(workload, case, step)
    checked = gate.check_first_call(workload, case, step, SynchronizedClock(resolve(step.devices)))
    if checked.jumped:
        gate.confirm(workload, case, step)
    return checked.parity
