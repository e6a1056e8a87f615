"""Names that code written for bench-core 0.1 imports from here; today they are in ``core`` and ``workloads.kit``."""

from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped
from bench_core.core.step import Step
from bench_core.workloads.kit.definition import KnownCosts, Workload, workload

Anchor = KnownCosts

__all__ = ["Anchor", "Case", "CaseSkipped", "Step", "Workload", "workload"]
