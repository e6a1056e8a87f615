"""Names that workloads written for bench-core 0.1 import from here; today they are in ``bench_core.workloads.kit``."""

from bench_core.workloads.kit import (
    BuildContext,
    epochs,
    flop_counter,
    forward_flops,
    inference,
    restorer,
    rotate,
    training,
    training_flops,
)

__all__ = [
    "BuildContext",
    "epochs",
    "flop_counter",
    "forward_flops",
    "inference",
    "restorer",
    "rotate",
    "training",
    "training_flops",
]
