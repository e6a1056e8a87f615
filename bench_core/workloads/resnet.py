"""The residual block, alone: with an identity and with a projection shortcut."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.build import BuildContext, forward_flops, inference, rotate, training_flops
from bench_core.spec import Step, workload

_CHANNELS, _SIDE = 64, 56
_BATCHES = (1, 4, 16)
_block = partial(
    workload,
    family="resnet",
    kind="op",
    unit="image",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 64, 256)},
    reference_batch=16,
    settings=("forward", "forward_backward"),
)
_SOURCE = "He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, CVPR 2016, section 3.2, equation"


@_block(source=f"{_SOURCE} 1; 64 channels of 56x56: conv2_x of table 1")
def resblock_identity(ctx: BuildContext) -> Step:
    """Residual block of two 3x3 convolutions, 64 to 64 channels at 56x56, with an identity shortcut."""
    return block_step(ctx, channels_out=64, stride=1)


@_block(source=f"{_SOURCE} 2; 64 channels of 56x56 to 128 of 28x28: conv3_1 of table 1")
def resblock_projection(ctx: BuildContext) -> Step:
    """Residual block of two 3x3 convolutions, 64 to 128 channels, 56x56 to 28x28, with a 1x1 projection shortcut."""
    return block_step(ctx, channels_out=128, stride=2)


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


def block_step(ctx: BuildContext, *, channels_out: int, stride: int) -> Step:
    """The step of a block: its output in evaluation mode, or in training mode the gradients of its weights."""
    backward = ctx.case.setting == "forward_backward"
    shape = (ctx.batch_size, _CHANNELS, _SIDE, _SIDE)
    model = ctx.model(lambda: ResidualBlock(_CHANNELS, channels_out, stride), train=backward)
    batches = [ctx.normal(*shape) for _ in range(ctx.resident(4 * prod(shape)))]
    if backward:
        cotangent = ctx.normal(ctx.batch_size, channels_out, _SIDE // stride, _SIDE // stride)
    return ctx.step(
        gradients(ctx, model, batches, cotangent) if backward else inference(ctx, model, batches),
        units=ctx.batch_size,
        flops=(training_flops if backward else forward_flops)(model, shape),
        data="normal random numbers",
        modules={"model": model},
    )


def gradients(
    ctx: BuildContext, model: nn.Module, batches: Sequence[Tensor], cotangent: Tensor
) -> Callable[[], dict[str, Tensor]]:
    """A call that returns the gradient of every weight for the next batch, by the weight's name.

    The loss is the output's product with ``cotangent``: under a plain sum, what reaches a batch norm nearly cancels.
    """
    names, weights = zip(*model.named_parameters(), strict=True)
    forward = ctx.forward(model)
    feed = rotate(batches)

    def run() -> dict[str, Tensor]:
        with ctx.autocast():
            loss = (forward(next(feed)) * cotangent).sum()
        return dict(zip(names, torch.autograd.grad(loss, weights), strict=True))

    return run
