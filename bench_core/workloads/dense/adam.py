"""The step of an optimizer by itself: Adam on the weights of a ResNet-50, without a forward or backward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import Adam

from bench_core.workloads.kit import BuildContext, CaseSkipped, KnownCosts, Step, restorer, workload

BLOCKS = (3, 4, 6, 3)
CLASSES = 1000


@workload(
    family="optimizer",
    kind="op",
    unit="parameter",
    source="Kingma & Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1, with its settings; the "
    "161 weights of ResNet-50: He, Zhang, Ren & Sun, CVPR 2016, table 1, where conv1 has 64 channels",
    batches={"cpu": (4, 16, 64), "cuda": (4, 16, 64, 128, 256)},
    reference_batch=64,
    settings={
        "foreach": {"foreach": True},
        "fused": {"fused": True},
        "loop": {"foreach": False, "fused": False},
    },
    full_settings={"cpu": ("loop",)},
    dtypes=("fp32",),
    variants=("eager",),
    known_costs=KnownCosts(
        "25,557,032 parameters in 161 tensors with 64 channels; 14 operations as in algorithm 1; 28 bytes at least: "
        "weight, gradient and two averages are read, all but the gradient are written",
        flops=14,
    ),
    regime="Many channels: memory bandwidth; foreach and loop read and write everything in each of about ten passes, "
    "fused once. Few channels: on a GPU launches, about ten per tensor with loop; on a CPU Python, once per tensor",
)
def adam_step(ctx: BuildContext) -> Step:
    """Adam's step on weights in the shapes of ResNet-50; the batch size is the channels of conv1, in the source 64."""
    shapes = resnet50_shapes(ctx.batch_size)
    # From 0, so that the weights after the first step are the first update.
    model = ctx.model(lambda: nn.ParameterList(torch.zeros(shape) for shape in shapes), train=True)
    weights = list(model.parameters())
    optimizer = Adam(weights, lr=0.001, **ctx.setting)
    for weight in weights:
        weight.grad = ctx.normal(*weight.shape)
    turn = ctx.feed([None], restorer([model], [optimizer]))
    updated = {name: weight.detach() for name, weight in model.named_parameters()}

    def run() -> dict[str, Tensor]:
        next(turn)
        try:
            optimizer.step()
        except RuntimeError as error:
            if "fused" not in str(error):
                raise
            raise CaseSkipped(f"torch has no fused Adam for {ctx.device.type}: {error}") from None
        return updated

    units = sum(weight.numel() for weight in weights)
    return ctx.step(run, units=units, flops=14 * units, data="normal random gradients", modules={"model": model})


def resnet50_shapes(channels: int) -> list[tuple[int, ...]]:
    """The shapes of a ResNet-50's weights, in their order, for a number of channels of its first convolution."""
    inner, before = channels, channels
    shapes: list[tuple[int, ...]] = [*_convolution(3, channels, 7)]
    for count in BLOCKS:
        for block in range(count):
            shapes += [*_convolution(before, inner, 1), *_convolution(inner, inner, 3)]
            shapes += _convolution(inner, 4 * inner, 1)
            if block == 0:  # the projection of the shortcut
                shapes += _convolution(before, 4 * inner, 1)
            before = 4 * inner
        inner *= 2
    return [*shapes, (CLASSES, before), (CLASSES,)]


def _convolution(channels_in: int, channels_out: int, kernel: int) -> Iterator[tuple[int, ...]]:
    """The weights of a convolution, and scale and shift of the batch norm that follows it."""
    yield from ((channels_out, channels_in, kernel, kernel), (channels_out,), (channels_out,))
