"""The blocks of residual networks by themselves: identity and projection shortcut, squeeze-and-excitation."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, forward_flops, inference, training_flops, workload

_CHANNELS, _SIDE = 64, 56
_REDUCTION = 16
_BATCHES = (1, 4, 16)
_block = partial(
    workload,
    family="resnet",
    kind="op",
    unit="image",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 64, 256)},
    reference_batch=16,
    settings={"forward": False, "forward_backward": True},
)
_SOURCE = "He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, CVPR 2016, section 3.2, equation"


@_block(
    source=f"{_SOURCE} 1; 64 channels of 56x56: conv2_x of table 1",
    known_costs=KnownCosts("73,984 parameters; 231,211,008 multiply-adds forward", 73_984, 462_422_016),
    regime="Arithmetic: two 3x3 convolutions; the batch norms and ReLUs between them are bound by memory bandwidth. On "
    "a GPU at batch 1: launches",
)
def resblock_identity(ctx: BuildContext) -> Step:
    """Residual block of two 3x3 convolutions, 64 to 64 channels at 56x56, with an identity shortcut."""
    shape = (_CHANNELS, _SIDE, _SIDE)
    return block_step(ctx, lambda: ResidualBlock(_CHANNELS, _CHANNELS), shape, shape)


@_block(
    source=f"{_SOURCE} 2; 64 channels of 56x56 to 128 of 28x28: conv3_1 of table 1",
    known_costs=KnownCosts("230,144 parameters; 179,830,784 multiply-adds forward", 230_144, 359_661_568),
    regime="Arithmetic: three convolutions; the batch norms and ReLUs between them are bound by memory bandwidth. On a "
    "GPU at batch 1: launches",
)
def resblock_projection(ctx: BuildContext) -> Step:
    """Residual block of two 3x3 convolutions, 64 to 128 channels, 56x56 to 28x28, with a 1x1 projection shortcut."""
    out = (2 * _CHANNELS, _SIDE // 2, _SIDE // 2)
    return block_step(ctx, lambda: ResidualBlock(_CHANNELS, out[0], stride=2), (_CHANNELS, _SIDE, _SIDE), out)


@_block(
    source="Hu, Shen & Sun, Squeeze-and-Excitation Networks, CVPR 2018, section 3, equations 2 to 4, without biases; "
    "reduction 16 and 256 channels of 56x56: conv2_x of table 1",
    known_costs=KnownCosts("8,192 parameters; gates between 0 and 1", 8_192, 1_622_016),
    regime="Memory bandwidth: all maps are read twice and written once, for two operations per element. On a GPU at "
    "batch 1: launches",
)
def se_block(ctx: BuildContext) -> Step:
    """Squeeze-and-excitation block on 256 channels of 56x56: scales each channel by a gate from all channels' means."""
    shape = (256, _SIDE, _SIDE)
    # The means and the products with the gate are most of the work here, and torch does not count them.
    return block_step(ctx, lambda: SEBlock(256), shape, shape, elementwise=2 * prod(shape))


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)), F two 3x3 convolutions with batch norm; a 1x1 shortcut where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            projection = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, side, side) to (batch, channels_out, side / stride, side / stride)."""
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class SEBlock(nn.Module):
    """Scales each channel of x by a gate of 0 to 1; two linear layers compute the gates from the channels' means.

    Reduction r = 16, no bias.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            *(nn.Linear(channels, channels // _REDUCTION, bias=False), nn.ReLU()),
            *(nn.Linear(channels // _REDUCTION, channels, bias=False), nn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        scaled: Tensor = x * self.gate(x.mean((2, 3)))[..., None, None]
        return scaled


def block_step(
    ctx: BuildContext,
    make: Callable[[], nn.Module],
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    elementwise: int = 0,
) -> Step:
    """The step of a block: its output in evaluation mode, or in training mode the gradients of its weights.

    Shapes are those of one image: (channels, height, width). ``elementwise`` is the number of FLOPs per image, forward
    and again backward, in addition to those of convolutions and matrix products.
    """
    backward: bool = ctx.setting
    shape = (ctx.batch_size, *shape_in)
    model = ctx.model(make, train=backward)
    products = training_flops if backward else forward_flops
    if backward:  # drawn before the batches, whose number differs by device
        cotangent = ctx.normal(ctx.batch_size, *shape_out)
    batches = [ctx.normal(*shape) for _ in range(ctx.resident_batches(4 * prod(shape)))]
    return ctx.step(
        gradients(ctx, model, batches, cotangent) if backward else inference(ctx, model, batches),
        units=ctx.batch_size,
        flops=products(model, shape) + ctx.batch_size * elementwise * (2 if backward else 1),
        data="normal random numbers",
        modules={"model": model},
    )


def gradients(
    ctx: BuildContext, model: nn.Module, batches: Sequence[Tensor], cotangent: Tensor
) -> Callable[[], dict[str, Tensor]]:
    """A function that returns the gradient of every weight for the next batch, by the weight's name.

    The loss is the sum of the output times ``cotangent``: with a plain sum, the gradients that reach a batch norm would
    nearly cancel.
    """
    names, weights = zip(*model.named_parameters(), strict=True)
    forward = ctx.forward(model)
    feed = ctx.feed(batches)

    def run() -> dict[str, Tensor]:
        with ctx.autocast():
            loss = (forward(next(feed)) * cotangent).sum()
        return dict(zip(names, torch.autograd.grad(loss, weights), strict=True))

    return run
