"""Matrix product: the control workload, whose cost is known exactly."""

from typing import Any

import torch

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

_SIZES = (64, 128, 256, 512, 1024, 2048)


@workload(
    family="gemm",
    kind="op",
    unit="FLOP",
    source="Golub & Van Loan, Matrix Computations, 4th ed., section 1.1.11: 2n^3 floating-point operations",
    batches={"cpu": _SIZES, "cuda": (*_SIZES, 4096, 8192)},
    reference_batch=1024,
    variants=("eager", "cuda_graph"),
    known_costs=KnownCosts("2 n^3 floating-point operations", flops=1),
    regime="Arithmetic: on a CPU for n of about 100 and more, on a GPU for n of about 1,000 and more; below that, the "
    "fixed cost of a call. It serves as the control, because its cost is known exactly",
)
def gemm(ctx: BuildContext) -> Step:
    """Product of two n x n matrices; the batch size is n, and the unit is a floating-point operation."""
    n = ctx.batch_size
    pairs = [(ctx.normal(n, n), ctx.normal(n, n)) for _ in range(ctx.resident_batches(2 * 4 * n * n))]
    feed, multiply = ctx.feed(pairs), ctx.autocasted(torch.matmul)

    def run() -> Any:
        left, right = next(feed)
        with torch.inference_mode():
            return multiply(left, right)

    return ctx.step(run, units=2 * n**3, flops=2 * n**3, data="normal random numbers")
