"""A single transposed convolution, which enlarges maps, for a grid of kernels and channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload
from bench_core.workloads.vision.conv import layer_inference

SIDE = 32


@dataclass(frozen=True)
class TransposedConvolution:
    """A point in the grid. ``added`` is the number of rows and columns that are added to the output at one end."""

    kernel: int
    stride: int
    padding: int
    channels_in: int
    channels_out: int
    added: int = 0

    @property
    def name(self) -> str:
        """The point as a setting, such as ``k4s2p1-128x64`` or, if rows are added, ``k5s2p2a1-128x64``."""
        added = f"a{self.added}" if self.added else ""
        return f"k{self.kernel}s{self.stride}p{self.padding}{added}-{self.channels_in}x{self.channels_out}"

    def layer(self) -> nn.ConvTranspose2d:
        """The layer, without bias, as before a batch norm."""
        return nn.ConvTranspose2d(
            self.channels_in,
            self.channels_out,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.added,
            bias=False,
        )


# All double the side. Compared with the first, each changes one thing: the kernel, to that of U-Net's upsampling and to
# that of dcgan64_step; or the channels, to those of FCN's upsampling of 21 classes, to those of pix2pix256_step's layer
# on maps of this side, and to an image.
_GRID = (
    TransposedConvolution(kernel=4, stride=2, padding=1, channels_in=128, channels_out=64),
    TransposedConvolution(kernel=2, stride=2, padding=0, channels_in=128, channels_out=64),
    TransposedConvolution(kernel=5, stride=2, padding=2, channels_in=128, channels_out=64, added=1),
    TransposedConvolution(kernel=4, stride=2, padding=1, channels_in=21, channels_out=21),
    TransposedConvolution(kernel=4, stride=2, padding=1, channels_in=512, channels_out=128),
    TransposedConvolution(kernel=4, stride=2, padding=1, channels_in=128, channels_out=3),
)


@workload(
    family="conv",
    kind="op",
    unit="image",
    source="Dumoulin & Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285, section 4.6, "
    "relationships 13 and 14; 4x4 with stride 2: Isola et al., CVPR 2017, appendix 6.1; 2x2: Ronneberger, Fischer & "
    "Brox, U-Net, MICCAI 2015, section 2; 21 classes: Long, Shelhamer & Darrell, CVPR 2015, section 4.2",
    batches={"cpu": (1, 4, 16), "cuda": (1, 4, 16, 64, 256, 1024)},
    reference_batch=16,
    settings={point.name: point for point in _GRID},
    full_settings={"cpu": tuple(point.name for point in _GRID[2:])},
    known_costs=KnownCosts(
        "131,072 parameters; an output side of s (i - 1) + a + k - 2p; 134,217,728 multiply-adds: each number of the "
        "input is multiplied by the whole kernel, including what the padding then removes",
        131_072,
        268_435_456,
    ),
    regime="Arithmetic with many channels; memory bandwidth where the output has few. On a GPU at batch 1 also the "
    "launch. Libraries compute it as the gradient of a convolution, whose kernels differ from the forward ones",
)
def conv_transpose2d_grid(ctx: BuildContext) -> Step:
    """Transposed convolution of 32x32 maps to 64x64; k4s2p1-128x64 names kernel, stride, padding and channels."""
    grid: TransposedConvolution = ctx.setting
    return layer_inference(ctx, grid.layer, (ctx.batch_size, grid.channels_in, SIDE, SIDE))
