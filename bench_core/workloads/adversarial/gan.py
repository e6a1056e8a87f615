"""Adversarial perceptrons that learn to draw handwritten digits (Goodfellow et al. 2014, Mirza & Osindero 2014)."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD

from bench_core.workloads.adversarial.game import FROZEN_MASKS, DrawnDropout, adversarial_step, alternate
from bench_core.workloads.data.digits import mnist
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

NOISE, PIXELS, CLASSES = 100, 784, 10

_MAXOUT = "maxout as in Goodfellow et al., Maxout Networks, ICML 2013, section 3"
_BATCHES = (1, 10, 100)
_gan = partial(
    workload,
    family="gan",
    kind="train",
    unit="image",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 1000, 10_000)},
    reference_batch=100,
    variants=("eager", "compile", "cuda_graph"),
)


@_gan(
    source="Goodfellow et al., Generative Adversarial Nets, NIPS 2014: algorithm 1, log D as in section 3; ReLU and "
    f"sigmoid in the generator, maxout and dropout in the discriminator as in section 5; {_MAXOUT}; {FROZEN_MASKS}",
    known_costs=KnownCosts("247,440 parameters in G, 1,169,409 in D", 1_416_849, 16_610_304),
    regime="Small batches: launches and Python, in five forward and four backward passes through small networks, one "
    "after another. Large batches: arithmetic, on a GPU with thousands of images, on a CPU from a few tens",
)
def gan_step(ctx: BuildContext) -> Step:
    """One alternating step of a GAN of perceptrons on handwritten digits: discriminator, then generator."""
    return digits_game(ctx, Generator, Discriminator)


@_gan(
    source="Mirza & Osindero, Conditional Generative Adversarial Nets, arXiv:1411.1784: objective 3.2, layers, batch "
    f"100, SGD of momentum .5 and dropout 4.1; {_MAXOUT}; {FROZEN_MASKS}; the learning rate is .001 instead of the "
    "paper's .1, at which both games diverge here within 60 rounds",
    known_costs=KnownCosts("2,413,984 parameters in G, 1,224,351 in D", 3_638_335, 34_999_240),
    regime="As gan_step, with one more layer in each network and twice the arithmetic. Small batches: launches and "
    "Python. Large batches: arithmetic, on a GPU with thousands of images, on a CPU from a few tens",
)
def cgan_step(ctx: BuildContext) -> Step:
    """One alternating step of a conditional GAN, which draws digits of given classes: discriminator, then generator."""
    return digits_game(ctx, ConditionalGenerator, ConditionalDiscriminator, conditional=True)


class Maxout(nn.Module):
    """(batch, inputs) to (batch, units), each unit the maximum of several linear pieces."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """The maximum over the pieces."""
        pieces: Tensor = self.linear(x)
        return pieces.view(len(x), -1, self.pieces).amax(-1)


class Generator(nn.Sequential):
    """Noise (batch, 100) to pixels (batch, 784) of 0 to 1; 247,440 parameters."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Linear(NOISE, 128), nn.ReLU()),
            *(nn.Linear(128, 256), nn.ReLU()),
            *(nn.Linear(256, PIXELS), nn.Sigmoid()),
        )


class Discriminator(nn.Sequential):
    """Pixels (batch, 784) to a logit (batch, 1); 1,169,409 parameters."""

    def __init__(self) -> None:
        super().__init__(
            *(Maxout(PIXELS, 256, pieces=5), DrawnDropout(256)),
            *(Maxout(256, 128, pieces=5), DrawnDropout(128)),
            nn.Linear(128, 1),
        )


class ConditionalGenerator(nn.Module):
    """Noise (batch, 100) and one-hot classes (batch, 10) to pixels (batch, 784) of 0 to 1; 2,413,984 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Sequential(nn.Linear(NOISE, 200), nn.ReLU())
        self.label = nn.Sequential(nn.Linear(CLASSES, 1000), nn.ReLU())
        self.joined = nn.Sequential(
            DrawnDropout(1200),
            *(nn.Linear(1200, 1200), nn.ReLU(), DrawnDropout(1200)),
            *(nn.Linear(1200, PIXELS), nn.Sigmoid()),
        )

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        """The generated images."""
        image: Tensor = self.joined(torch.cat((self.noise(noise), self.label(label)), 1))
        return image


class ConditionalDiscriminator(nn.Module):
    """Pixels (batch, 784) and one-hot classes (batch, 10) to a logit (batch, 1); 1,224,351 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.image = Maxout(PIXELS, 240, pieces=5)
        self.label = Maxout(CLASSES, 50, pieces=5)
        joint = Maxout(240 + 50, 240, pieces=4)
        self.joined = nn.Sequential(DrawnDropout(290), joint, DrawnDropout(240), nn.Linear(240, 1))

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """Logits of the images being real images of these classes."""
        logit: Tensor = self.joined(torch.cat((self.image(image), self.label(label)), 1))
        return logit


def digits_game(
    ctx: BuildContext,
    generator: Callable[[], nn.Module],
    discriminator: Callable[[], nn.Module],
    *,
    conditional: bool = False,
) -> Step:
    """The step of a game on handwritten digits, with momentum SGD. ``conditional``: both players get the classes.

    A batch contains digits, noise for each player's turn (uniform in the unit cube), and, if ``conditional``, the
    classes, one-hot.
    """
    digits = mnist(ctx.data_dir, train=True)
    batches = []
    for rows in ctx.draw_rows(len(digits.images), row_bytes=4 * (PIXELS + 2 * NOISE + CLASSES)):
        pixels = digits.images[rows].reshape(-1, PIXELS) / 255
        noise = ctx.rng.random((2, ctx.batch_size, NOISE))
        given = [np.eye(CLASSES)[digits.labels[rows]]] if conditional else []
        batches.append(tuple(ctx.tensor(part) for part in (pixels, *noise, *given)))
    optimize = partial(SGD, lr=0.001, momentum=0.5)
    return adversarial_step(ctx, alternate, generator, discriminator, optimize, batches, digits.source)
