"""Image-to-image translation with a conditional adversarial network (Isola et al. 2017)."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from bench_core.workloads.adversarial.game import FROZEN_MASKS, DrawnDropout, Game, adversarial_step, cross_entropy
from bench_core.workloads.data.photos import PHOTOS_LABEL, photo_crops
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, forward_flops, inference, workload

L1_WEIGHT = 100

_SIDE = 256


_pix2pix = partial(workload, family="gan", unit="image", reference_batch=1)
_SOURCE = (
    "Isola, Zhu, Zhou & Efros, Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017 "
    "(arXiv:1611.07004): layers 6.1"
)


@_pix2pix(
    kind="train",
    source=f"{_SOURCE}, objective 3.1, U-Net and PatchGAN 3.2, optimization 3.3; batch 1 as in 6.2; {FROZEN_MASKS}",
    batches={"cpu": (1, 2, 4), "cuda": (1, 2, 4, 16)},
    heavy=True,
    known_costs=KnownCosts(
        "54,413,955 parameters in G (6.048 billion multiply-adds), 2,768,705 in D (3.197 billion multiply-adds)",
        57_182_660,
        86_940_057_600,
    ),
    regime="Arithmetic in large convolutions. At batch 1 also memory bandwidth, since Adam reads and writes 57 million "
    "weights, their gradients and its two averages; and on a GPU launches, about 250 operations per step (without "
    "Adam's)",
)
def pix2pix256_step(ctx: BuildContext) -> Step:
    """One alternating step of pix2pix, which colors gray photos of 256x256: discriminator, then generator."""
    optimize = partial(Adam, lr=2e-4, betas=(0.5, 0.999))
    return adversarial_step(ctx, translate, UNet256, PatchGAN, optimize, pairs(ctx), PHOTOS_LABEL)


@_pix2pix(
    kind="infer",
    source=f"{_SOURCE}.1; dropout and the batch's own statistics stay on at test time, inference 3.3; {FROZEN_MASKS}",
    batches={"cpu": (1, 4, 16), "cuda": (1, 4, 16, 64)},
    heavy=True,
    known_costs=KnownCosts("54,413,955 parameters; 6.048 billion multiply-adds", 54_413_955, 12_096_372_736),
    regime="Arithmetic. On a GPU at batch 1 also memory bandwidth, since the weights of the innermost layers are read "
    "for only a few pixels, and about 70 launches",
)
def pix2pix256_infer(ctx: BuildContext) -> Step:
    """Inference of pix2pix's generator, which colors gray photos of 256x256, in training mode as in the paper."""
    model = ctx.model(UNet256, train=True)
    return ctx.step(
        inference(ctx, model, [gray for gray, _ in pairs(ctx)]),
        units=ctx.batch_size,
        flops=forward_flops(model, (ctx.batch_size, 3, _SIDE, _SIDE)),
        data=PHOTOS_LABEL,
        modules={"model": model},
    )


def pairs(ctx: BuildContext) -> list[tuple[Tensor, Tensor]]:
    """A few batches of photos in gray and in color."""
    return [gray_and_color(ctx) for _ in range(ctx.resident_batches(2 * 4 * ctx.batch_size * 3 * _SIDE**2))]


def gray_and_color(ctx: BuildContext) -> tuple[Tensor, Tensor]:
    """A batch of photos in gray and in color, both (batch, 3, 256, 256) of -1 to 1."""
    color = photo_crops(ctx.rng, ctx.batch_size, _SIDE) / 127.5 - 1
    gray = (color @ np.array((0.299, 0.587, 0.114)))[..., None].repeat(3, axis=-1)
    return ctx.tensor(gray.transpose(0, 3, 1, 2)), ctx.tensor(color.transpose(0, 3, 1, 2))


def translate(game: Game, given: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """One step on a batch of pairs; returns the losses, detached and not yet synchronized.

    The discriminator's loss is halved to slow it down, and the generator maximizes log D (section 3.3). As in the
    authors' code, both learn on the same generated image.
    """
    with game.autocast():
        generated = game.generate(given)
        real = cross_entropy(game.judge(torch.cat((given, wanted), 1)), 1)
        fake = cross_entropy(game.judge(torch.cat((given, generated.detach()), 1)), 0)
    game.descend("discriminator", (real + fake) / 2)
    with game.judging_only():
        with game.autocast():
            fooled = cross_entropy(game.judge(torch.cat((given, generated), 1)), 1)
            distance = F.l1_loss(generated, wanted)
        game.descend("generator", fooled + L1_WEIGHT * distance)
    losses = {"real": real, "fake": fake, "fooled": fooled, "l1": distance}
    return {name: loss.detach() for name, loss in losses.items()}


class UNet256(nn.Module):
    """The generator of section 6.1.1, (batch, 3, 256, 256) to the same shape, -1 to 1; 54,413,955 parameters.

    Eight 4x4 convolutions of stride 2 lead down to a 1x1 bottleneck, which has no norm (normalizing a single value
    would make it 0). Eight transposed convolutions lead up; each also gets the output of its counterpart on the way
    down. As in the authors' code, a layer applies the activation to its input.
    """

    def __init__(self) -> None:
        super().__init__()
        encoder = (64, 128, 256, 512, 512, 512, 512, 512)
        self.down = nn.ModuleList([convolution(3, 64)])
        for i in range(1, 8):
            norm = [nn.BatchNorm2d(encoder[i])] if i < 7 else []
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), convolution(encoder[i - 1], encoder[i]), *norm))
        self.up = nn.ModuleList()
        for i in range(7, 0, -1):
            joined = encoder[i] * (1 if i == 7 else 2)
            side = 2 ** (8 - i)
            drop = [DrawnDropout(encoder[i - 1], side, side)] if i > 4 else []
            layers = (nn.ReLU(), deconvolution(joined, encoder[i - 1]), nn.BatchNorm2d(encoder[i - 1]))
            self.up.append(nn.Sequential(*layers, *drop))
        self.last = nn.Sequential(nn.ReLU(), deconvolution(128, 3, bias=True), nn.Tanh())
        self.apply(gaussian)

    def forward(self, x: Tensor) -> Tensor:
        """The translated images."""
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = torch.cat((up(x), skips.pop()), 1)
        image: Tensor = self.last(x)
        return image


class PatchGAN(nn.Sequential):
    """The 70x70 discriminator of section 6.1.2, from two images joined along the channels, (batch, 6, 256, 256), to
    logits (batch, 1, 30, 30), each of which judges 70x70 pixels; 2,768,705 parameters."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [convolution(6, 64, bias=True), nn.LeakyReLU(0.2)]
        for channels_in, channels_out, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
            layers += [convolution(channels_in, channels_out, stride), nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2)]
        super().__init__(*layers, convolution(512, 1, stride=1, bias=True))
        self.apply(gaussian)


def convolution(channels_in: int, channels_out: int, stride: int = 2, *, bias: bool = False) -> nn.Conv2d:
    """The paper's 4x4 convolution."""
    return nn.Conv2d(channels_in, channels_out, 4, stride, padding=1, bias=bias)


def deconvolution(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.ConvTranspose2d:
    """The paper's 4x4 transposed convolution of stride 2."""
    return nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=bias)


def gaussian(layer: nn.Module) -> None:
    """Draw a convolution's weights from N(0, .02) (section 6.2)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, std=0.02)
