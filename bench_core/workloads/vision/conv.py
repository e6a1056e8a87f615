"""A single convolution, for a grid of kernels, strides, paddings and channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from torch import nn

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, forward_flops, inference, workload

SIDE = 56


@dataclass(frozen=True)
class Convolution:
    """A point in the grid."""

    kernel: int
    stride: int
    padding: int
    channels_in: int
    channels_out: int

    @property
    def name(self) -> str:
        """The point as a setting, such as ``k3s1p1-64x64``."""
        return f"k{self.kernel}s{self.stride}p{self.padding}-{self.channels_in}x{self.channels_out}"

    def layer(self) -> nn.Conv2d:
        """The layer, without bias, as before a batch norm."""
        return nn.Conv2d(
            self.channels_in, self.channels_out, self.kernel, stride=self.stride, padding=self.padding, bias=False
        )


# Compared with the first, each changes one thing: the kernel (with the padding that keeps the side), the stride, the
# padding or the channels. The last is the first layer of a ResNet.
_GRID = (
    Convolution(kernel=3, stride=1, padding=1, channels_in=64, channels_out=64),
    Convolution(kernel=1, stride=1, padding=0, channels_in=64, channels_out=64),
    Convolution(kernel=5, stride=1, padding=2, channels_in=64, channels_out=64),
    Convolution(kernel=7, stride=1, padding=3, channels_in=64, channels_out=64),
    Convolution(kernel=3, stride=2, padding=1, channels_in=64, channels_out=64),
    Convolution(kernel=3, stride=1, padding=0, channels_in=64, channels_out=64),
    Convolution(kernel=3, stride=1, padding=1, channels_in=16, channels_out=16),
    Convolution(kernel=3, stride=1, padding=1, channels_in=256, channels_out=256),
    Convolution(kernel=7, stride=2, padding=3, channels_in=3, channels_out=64),
)


@workload(
    family="conv",
    kind="op",
    unit="image",
    source="Dumoulin & Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, section 2.4, "
    "relationship 6; 3x3 on 64 channels of 56x56 is conv2_x of He et al., CVPR 2016, table 1",
    batches={"cpu": (1, 4, 16, 64), "cuda": (1, 4, 16, 64, 256, 1024)},
    reference_batch=16,
    settings={point.name: point for point in _GRID},
    known_costs=KnownCosts(
        "36,864 parameters; an output side of floor((i - k + 2p) / s) + 1; 115,605,504 multiply-adds",
        36_864,
        231_211_008,
    ),
    regime="Arithmetic: more than a hundred operations per byte with 3x3 kernels on 64 channels. Closer to memory "
    "bandwidth with 1x1 kernels (16 operations per byte) or 16 channels (35). On a GPU at batch 1 also the launch, "
    "since the work takes no longer than the launch",
)
def conv2d_grid(ctx: BuildContext) -> Step:
    """Forward convolution of 56x56 maps; a setting such as k3s1p1-64x64 names kernel, stride, padding and channels."""
    grid: Convolution = ctx.setting
    return layer_inference(ctx, grid.layer, (ctx.batch_size, grid.channels_in, SIDE, SIDE))


def layer_inference(ctx: BuildContext, make: Callable[[], nn.Module], shape: tuple[int, ...]) -> Step:
    """The step of a workload that runs a single layer on random numbers of this shape, batch first."""
    model = ctx.model(make, train=False)
    batches = [ctx.normal(*shape) for _ in range(ctx.resident_batches(4 * prod(shape)))]
    return ctx.step(
        inference(ctx, model, batches),
        units=ctx.batch_size,
        flops=forward_flops(model, shape),
        data="normal random numbers",
        modules={"model": model},
    )
