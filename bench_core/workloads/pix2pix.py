"""Image-to-image translation with a conditional adversarial network (Isola et al. 2017)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.utils.flop_counter import FlopCounterMode

from bench_core.build import BuildContext, restorer, rotate
from bench_core.datasets import PHOTOS_LABEL, photo_crops
from bench_core.spec import Step, workload

L1_WEIGHT = 100

_SIDE = 256


@workload(
    family="gan",
    kind="train",
    unit="image",
    source="Isola, Zhu, Zhou & Efros, Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017: "
    "objective 3.1, U-Net and PatchGAN 3.2, optimization 3.3, layers 6.1 (arXiv:1611.07004); batch 1 as in 6.2",
    batches={"cpu": (1,), "cuda": (1, 4, 16)},
    reference_batch=1,
    heavy=True,
)
def pix2pix256_step(ctx: BuildContext) -> Step:
    """One alternating step of pix2pix that colours photos of 256x256: the discriminator learns, then the generator."""
    game = Game(ctx.model(UNet256, train=True), ctx.model(PatchGAN, train=True), ctx.forward, ctx.autocast)
    pairs = [grey_and_colour(ctx) for _ in range(ctx.resident(2 * 4 * ctx.batch_size * 3 * _SIDE**2))]
    feed = rotate(pairs, restorer(list(game.networks.values()), list(game.optimizers.values())))
    return ctx.step(
        lambda: game.play(*next(feed)),
        units=ctx.batch_size,
        flops=game_flops(ctx.batch_size),
        data=PHOTOS_LABEL,
        modules=game.networks,
        optimizers=game.optimizers,
    )


def grey_and_colour(ctx: BuildContext) -> tuple[Tensor, Tensor]:
    """A batch of photos without and with their colours, both (batch, 3, 256, 256) of -1 to 1."""
    colour = photo_crops(ctx.rng, ctx.batch_size, _SIDE) / 127.5 - 1
    grey = (colour @ np.array((0.299, 0.587, 0.114)))[..., None].repeat(3, axis=-1)
    return ctx.tensor(grey.transpose(0, 3, 1, 2)), ctx.tensor(colour.transpose(0, 3, 1, 2))


class Game:
    """A generator and a discriminator that learn in turn, each with the optimizer of section 3.3.

    ``forward`` makes of a network what is called in its place, and ``autocast`` the context of those calls.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        forward: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda network: network,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = {
            name: Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for name, network in self.networks.items()
        }
        self.generate, self.judge = forward(generator), forward(discriminator)
        self.autocast = autocast

    def play(self, given: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """One step on a batch of pairs; returns the losses, detached and not yet synchronized.

        The discriminator's loss is halved to slow it down, and the generator maximizes log D (section 3.3).
        """
        with self.autocast():
            made = self.generate(given)
            real = binary_loss(self.judge(torch.cat((given, wanted), 1)), 1)
            fake = binary_loss(self.judge(torch.cat((given, made.detach()), 1)), 0)
        self.descend("discriminator", (real + fake) / 2)

        # Else the gradients of the discriminator's weights would be computed for nothing.
        self.networks["discriminator"].requires_grad_(False)
        with self.autocast():
            fooled = binary_loss(self.judge(torch.cat((given, made), 1)), 1)
            distance = F.l1_loss(made, wanted)
        self.descend("generator", fooled + L1_WEIGHT * distance)
        self.networks["discriminator"].requires_grad_(True)
        losses = {"real": real, "fake": fake, "fooled": fooled, "l1": distance}
        return {name: loss.detach() for name, loss in losses.items()}

    def descend(self, player: str, loss: Tensor) -> None:
        """Let one player learn from its loss."""
        self.optimizers[player].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers[player].step()


def binary_loss(logits: Tensor, target: float) -> Tensor:
    """The mean cross-entropy of a map of logits that should all say real (1) or fake (0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def game_flops(batch_size: int) -> int:
    """FLOPs of one alternating step, 2 per multiply-add: the step itself, counted on tensors without storage."""
    with torch.device("meta"):
        generator, discriminator = UNet256(), PatchGAN()
        pair = [torch.empty(batch_size, 3, _SIDE, _SIDE) for _ in range(2)]
    with FlopCounterMode(display=False) as counter:
        Game(generator, discriminator).play(*pair)
    return int(counter.get_total_flops())


class UNet256(nn.Module):
    """The generator of section 6.1.1, (batch, 3, 256, 256) to the same, -1 to 1; 54,413,955 parameters.

    Eight 4x4 convolutions of stride 2 down to a 1x1 bottleneck, which has no norm (of one value it would leave
    nothing), and eight up, each fed with the output of its mirror image. As in the authors' code a layer activates
    its input.
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
            drop = [DrawnDropout(encoder[i - 1], 2 ** (8 - i))] if i > 4 else []
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
    """The 70x70 discriminator of section 6.1.2: two images side by side, (batch, 6, 256, 256), to logits of
    (batch, 1, 30, 30), each of which judges 70x70 pixels; 2,768,705 parameters."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [convolution(6, 64, bias=True), nn.LeakyReLU(0.2)]
        for channels_in, channels_out, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
            layers += [convolution(channels_in, channels_out, stride), nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.2)]
        super().__init__(*layers, convolution(512, 1, stride=1, bias=True))
        self.apply(gaussian)


class DrawnDropout(nn.Dropout):
    """Dropout of a half with a mask drawn once, along with the weights.

    Generators differ by device: with fresh masks no device could be held against another.
    """

    mask: Tensor

    def __init__(self, channels: int, side: int) -> None:
        super().__init__(p=0.5)
        kept = torch.rand(1, channels, side, side) >= self.p
        self.register_buffer("mask", kept / (1 - self.p), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """The input, in training mode masked and scaled."""
        return input * self.mask if self.training else input


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
