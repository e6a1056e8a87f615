"""The building blocks of workloads, and what sweeps and the catalog need to know about workloads.

Most files of workloads import only the names below and data. May import ``hardware`` and ``core``.
"""

from bench_core.core.errors import CaseSkipped
from bench_core.core.modes import Casting
from bench_core.core.step import Step
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.definition import KnownCosts, Workload, workload
from bench_core.workloads.kit.feeds import epochs, restorer, rotate
from bench_core.workloads.kit.flops import flop_counter, forward_flops, training_flops
from bench_core.workloads.kit.loops import inference, training
from bench_core.workloads.kit.team import no_sync

__all__ = [
    "BuildContext",
    "CaseSkipped",
    "Casting",
    "KnownCosts",
    "Step",
    "Workload",
    "epochs",
    "flop_counter",
    "forward_flops",
    "inference",
    "no_sync",
    "restorer",
    "rotate",
    "training",
    "training_flops",
    "workload",
]
