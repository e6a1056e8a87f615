"""Activations and losses by themselves: they read and write memory and compute little."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bench_core.core.errors import CaseSkipped
from bench_core.core.modes import Casting
from bench_core.hardware import precision
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

CLASSES = 1024
"""The length of a row of softmax and cross_entropy."""
LOSS_SCALE = 2.0**15
"""Gradients of losses are multiplied by it, as training in fp16 does: most of those of a mean over a million elements
are below what fp16 can represent. Micikevicius et al., Mixed Precision Training, ICLR 2018, section 3.2."""


class Elementwise(NamedTuple):
    """A function of tensors and its cost in FLOPs per element: of its forward pass, and of its backward pass.

    A comparison, sign, sum, product, quotient, absolute value, exponential, logarithm or hyperbolic tangent counts as
    one.
    """

    fn: Callable[..., Tensor]
    flops: int
    backward: int


class Passes(NamedTuple):
    """What a setting measures of a function: the forward pass, or with ``backward`` both."""

    function: str
    backward: bool


def softmax(rows: Tensor) -> Tensor:
    """Softmax of each row."""
    return torch.softmax(rows, dim=1)


# Softmax subtracts a row's maximum, exponentiates, and divides by the sum. The gradient g that reaches an activation
# y(x) goes on as g [x > 0], as g (1 - y^2) for tanh, g y (1 - y) for sigmoid and y (g - sum(g y)) for softmax.
ACTIVATIONS = {
    "relu": Elementwise(torch.relu, 1, 1),
    "leaky_relu": Elementwise(F.leaky_relu, 2, 2),
    "tanh": Elementwise(torch.tanh, 1, 3),
    "sigmoid": Elementwise(torch.sigmoid, 3, 3),
    "softmax": Elementwise(softmax, 5, 4),
}
# Each ends with a sum for the mean. On logits, BCE is max(x, 0) - x y + log(1 + exp(-|x|)). Cross-entropy finds the
# maximum of a row, subtracts it, exponentiates and sums; operations done once per row are not counted. The gradients
# are, times 1/n: sigmoid(x) - y; softmax(x) - y, where the forward pass leaves the logarithm of softmax; 2 (x - y);
# sign(x - y).
LOSSES = {
    "bce": Elementwise(F.binary_cross_entropy_with_logits, 9, 5),
    "cross_entropy": Elementwise(F.cross_entropy, 4, 2),
    "mse": Elementwise(F.mse_loss, 3, 2),
    "mae": Elementwise(F.l1_loss, 3, 3),
}
FUNCTIONS = ACTIVATIONS | LOSSES
IN_ROWS = ("softmax", "cross_entropy")
SETTINGS = {
    f"{name}{suffix}": Passes(name, backward)
    for name in FUNCTIONS
    for suffix, backward in (("", False), ("-forward_backward", True))
}
_IN_DEFAULT_SWEEP = ("relu", "cross_entropy")


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
    settings=SETTINGS,
    full_settings={
        "cpu": tuple(s for s, (name, backward) in SETTINGS.items() if backward and name not in _IN_DEFAULT_SWEEP)
    },
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts("the results and the gradients equal the formulas", flops=1),
    regime="Large inputs: memory bandwidth, since each element is read, used in a few operations and written; on a CPU "
    "the exponentials of tanh, sigmoid, softmax, bce and cross_entropy also cost arithmetic. A backward pass reads the "
    "incoming gradient and what the forward pass saved, and writes a gradient. Small inputs: the fixed cost of a call, "
    "which is Python and, on a GPU, a launch; the GPU wins once the CPU needs longer than a launch",
)
def activations_losses(ctx: BuildContext) -> Step:
    """An activation, or a mean loss over logits, forward only or with its gradient (of losses times 2^15)."""
    name, backward = ctx.setting
    elementwise = FUNCTIONS[name]
    if name in LOSSES:
        skip_where_a_loss_overflows(ctx)
    shape: tuple[int, ...] = (ctx.batch_size,)
    if name in IN_ROWS:
        shape = (-(-ctx.batch_size // CLASSES), CLASSES)
    elements = torch.Size(shape).numel()
    reached = backward and name in ACTIVATIONS
    count = ctx.resident_batches(4 * elements * (2 if reached or name in LOSSES else 1))
    draw = reached_operands if reached else operands
    feed = ctx.feed([draw(ctx, name, shape) for _ in range(count)])
    apply = ctx.forward(elementwise.fn)

    def forward() -> Tensor:
        with torch.inference_mode(), ctx.autocast():
            result: Tensor = apply(*next(feed))
        return result

    return ctx.step(
        gradient(ctx, apply, feed, loss=name in LOSSES) if backward else forward,
        units=elements,
        flops=elements * (elementwise.flops + (elementwise.backward if backward else 0)),
        data="normal random numbers",
    )


def skip_where_a_loss_overflows(ctx: BuildContext) -> None:
    """Raises ``CaseSkipped`` where torch sums a loss in fp16 itself, whose numbers end at 65,504."""
    if (ctx.case.dtype, ctx.case.device_type) == ("fp16", "cpu") and ctx.casting is Casting.STORED:
        raise CaseSkipped("fp16: torch's CPU sums losses in fp16 and may overflow; the variant autocast takes fp32")


def gradient(
    ctx: BuildContext, apply: Callable[..., Tensor], feed: Iterator[tuple[Tensor, ...]], *, loss: bool
) -> Callable[[], Tensor]:
    """A function that returns the gradient of the next batch's inputs, of which the second tensor is the targets of a
    loss, or the gradient that reaches an activation. The gradient of a loss is ``LOSS_SCALE`` times itself."""

    def run() -> Tensor:
        inputs, other = next(feed)
        leaf = inputs.detach().requires_grad_()
        with ctx.autocast():
            result = apply(leaf, other) if loss else apply(leaf)
        reaching = torch.full_like(result, LOSS_SCALE) if loss else other
        return torch.autograd.grad(result, leaf, reaching)[0]

    return run


def operands(ctx: BuildContext, name: str, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Inputs of a shape, and for a loss their targets: classes, zeros and ones, or real numbers."""
    inputs = ctx.normal(*shape)
    if ctx.case.dtype in precision.HALF:
        # Under autocast a layer outputs this dtype; the functions measured here keep the dtype of their inputs.
        inputs = inputs.to(precision.HALF[ctx.case.dtype])
    if name in ACTIVATIONS:
        return (inputs,)
    if name == "cross_entropy":
        return inputs, ctx.tensor(ctx.rng.integers(0, CLASSES, shape[0]))
    if name == "bce":
        return inputs, ctx.tensor(ctx.rng.integers(0, 2, shape).astype(float))
    return inputs, ctx.normal(*shape)


def reached_operands(ctx: BuildContext, name: str, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The inputs of an activation, and the gradient that reaches it, in the same dtype."""
    (inputs,) = operands(ctx, name, shape)
    return inputs, ctx.normal(*shape).to(inputs.dtype)
