"""Softmax: reads and writes memory, computes little."""

import torch

from bench_core.build import BuildContext, rotate
from bench_core.spec import Step, workload


@workload(
    family="softmax",
    kind="op",
    unit="row",
    source="Bridle, Probabilistic interpretation of feedforward network outputs, 1990",
    batches={"cpu": (1, 64, 4096), "cuda": (1, 64, 4096, 65536)},
    reference_batch=64,
    variants=("eager", "compile"),
)
def softmax(ctx: BuildContext) -> Step:
    """Softmax of rows of 1,000 numbers."""
    rows = [ctx.normal(ctx.batch_size, 1000) for _ in range(ctx.resident(4 * ctx.batch_size * 1000))]
    feed = rotate(rows)
    apply = ctx.forward(lambda x: torch.softmax(x, dim=1))

    def run() -> torch.Tensor:
        with torch.inference_mode(), ctx.autocast():
            return apply(next(feed))

    return ctx.step(run, units=ctx.batch_size, flops=None, data="normal random numbers")
