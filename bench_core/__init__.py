"""CPU-vs-GPU benchmarks for PyTorch with numbers one can trust.

The public names are loaded on first use, so that ``import bench_core`` costs nothing and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench_core import workloads
    from bench_core.sampling import Measurement, measure
    from bench_core.spec import Case, Step, Workload

__version__ = "0.1.0"
__all__ = ["Case", "Measurement", "Step", "Workload", "measure", "workloads"]

_HOMES = {
    "Case": "bench_core.spec",
    "Step": "bench_core.spec",
    "Workload": "bench_core.spec",
    "Measurement": "bench_core.sampling",
    "measure": "bench_core.sampling",
}


def __getattr__(name: str) -> Any:
    if name == "workloads":
        return import_module("bench_core.workloads")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'bench_core' has no attribute {name!r}")
