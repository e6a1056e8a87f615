"""CPU-vs-GPU benchmarks for PyTorch with numbers one can trust.

The public names are loaded on first use, so that ``import bench_core`` costs nothing and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench_core.core.version import __version__

if TYPE_CHECKING:
    from bench_core import workloads
    from bench_core.analysis.change_points import ChangePoint, change_points
    from bench_core.core.case import Case
    from bench_core.core.results import Measurement
    from bench_core.core.step import Step
    from bench_core.report.loading import load
    from bench_core.timing.sampling import measure
    from bench_core.workloads.kit.definition import Workload

__all__ = [
    "Case",
    "ChangePoint",
    "Measurement",
    "Step",
    "Workload",
    "__version__",
    "change_points",
    "load",
    "measure",
    "workloads",
]

_HOMES = {
    "Case": "bench_core.core.case",
    "ChangePoint": "bench_core.analysis.change_points",
    "Measurement": "bench_core.core.results",
    "Step": "bench_core.core.step",
    "Workload": "bench_core.workloads.kit.definition",
    "change_points": "bench_core.analysis.change_points",
    "load": "bench_core.report.loading",
    "measure": "bench_core.timing.sampling",
}


def __getattr__(name: str) -> Any:
    if name == "workloads":
        return import_module("bench_core.workloads")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'bench_core' has no attribute {name!r}")
