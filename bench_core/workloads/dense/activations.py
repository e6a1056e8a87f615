"""Activations and losses by themselves: they read and write memory and compute little."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bench_core.hardware import precision
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

CLASSES = 1024


class Elementwise(NamedTuple):
    """A function of tensors and its cost in FLOPs per element.

    A comparison, sum, product, quotient, absolute value, exponential, logarithm or hyperbolic tangent counts as one.
    """

    fn: Callable[..., Tensor]
    flops: int


ACTIVATIONS = {
    "relu": Elementwise(torch.relu, 1),
    "leaky_relu": Elementwise(F.leaky_relu, 2),
    "tanh": Elementwise(torch.tanh, 1),
    "sigmoid": Elementwise(torch.sigmoid, 3),
}
# Each ends with a sum for the mean. On logits, BCE is max(x, 0) - x y + log(1 + exp(-|x|)). Cross-entropy finds the
# maximum of a row, subtracts it, exponentiates and sums; operations done once per row are not counted.
LOSSES = {
    "bce": Elementwise(F.binary_cross_entropy_with_logits, 9),
    "cross_entropy": Elementwise(F.cross_entropy, 4),
    "mse": Elementwise(F.mse_loss, 3),
    "mae": Elementwise(F.l1_loss, 3),
}


@workload(
    family="activations",
    kind="op",
    unit="element",
    source="Goodfellow, Bengio & Courville, Deep Learning, MIT Press 2016: activations 6.3, losses 5.5 and 6.2",
    batches={
        "cpu": (2**12, 2**16, 2**20, 2**24),
        "cuda": (2**12, 2**14, 2**16, 2**18, 2**20, 2**22, 2**24),
    },
    reference_batch=2**20,
    settings=ACTIVATIONS | LOSSES,
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts("the results equal the formulas", flops=1),
    regime="Large inputs: memory bandwidth, since each element is read, used in a few operations and written; on a CPU "
    "the exponentials of tanh, sigmoid, bce and cross_entropy also cost arithmetic. Small inputs: the fixed cost of a "
    "call, which is Python and, on a GPU, a launch; the GPU wins once the CPU needs longer than a launch",
)
def activations_losses(ctx: BuildContext) -> Step:
    """An activation, or a loss averaged over all elements; losses on probabilities take logits, which is stable."""
    name = ctx.case.setting
    elementwise: Elementwise = ctx.setting
    shape: tuple[int, ...] = (ctx.batch_size,)
    if name == "cross_entropy":
        shape = (-(-ctx.batch_size // CLASSES), CLASSES)
    elements = torch.Size(shape).numel()
    count = ctx.resident_batches(4 * elements * (1 if name in ACTIVATIONS else 2))
    feed = ctx.feed([operands(ctx, name, shape) for _ in range(count)])
    apply = ctx.forward(elementwise.fn)

    def run() -> Tensor:
        with torch.inference_mode(), ctx.autocast():
            result: Tensor = apply(*next(feed))
        return result

    return ctx.step(run, units=elements, flops=elementwise.flops * elements, data="normal random numbers")


def operands(ctx: BuildContext, name: str, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Inputs of a shape, and for a loss their targets: classes, zeros and ones, or real numbers."""
    inputs = ctx.normal(*shape)
    if ctx.case.dtype in precision.AUTOCAST:
        # Under autocast a layer outputs this dtype; the functions measured here keep the dtype of their inputs.
        inputs = inputs.to(precision.AUTOCAST[ctx.case.dtype])
    if name in ACTIVATIONS:
        return (inputs,)
    if name == "cross_entropy":
        return inputs, ctx.tensor(ctx.rng.integers(0, CLASSES, shape[0]))
    if name == "bce":
        return inputs, ctx.tensor(ctx.rng.integers(0, 2, shape).astype(float))
    return inputs, ctx.normal(*shape)
