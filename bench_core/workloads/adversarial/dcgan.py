"""A deep convolutional adversarial network (Radford, Metz & Chintala 2016)."""

from functools import partial

from torch import nn
from torch.optim import Adam

from bench_core.workloads.adversarial.game import adversarial_step, alternate
from bench_core.workloads.data.photos import PHOTOS_LABEL, photo_crops
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

NOISE, SIDE = 100, 64


@workload(
    family="gan",
    kind="train",
    unit="image",
    source="Radford, Metz & Chintala, Unsupervised Representation Learning with Deep Convolutional Generative "
    "Adversarial Networks, ICLR 2016: layers 3 and figure 1, training 4, batch 128; step of Goodfellow et al., NIPS "
    "2014, algorithm 1",
    batches={"cpu": (1, 8, 32), "cuda": (1, 8, 32, 128, 512)},
    full_batches={"cpu": (128,)},
    reference_batch=128,
    heavy=True,
    known_costs=KnownCosts("18,871,427 parameters in G, 17,232,897 in D", 36_104_324, 15_306_194_944),
    regime="Arithmetic in large convolutions. At batch 1 also memory bandwidth, since Adam reads and writes 36 million "
    "weights, their gradients and its two averages; and on a GPU launches, about 170 operations per step (without "
    "Adam's)",
)
def dcgan64_step(ctx: BuildContext) -> Step:
    """One alternating step of a DCGAN that learns to generate 64x64 crops of photos: discriminator, then generator."""
    return dcgan_training(ctx)


def dcgan_training(ctx: BuildContext) -> Step:
    """The step of a workload that trains a DCGAN on crops of photos."""
    batches = []
    for _ in range(ctx.resident_batches(4 * ctx.batch_size * (3 * SIDE**2 + 2 * NOISE))):
        photos = photo_crops(ctx.rng, ctx.batch_size, SIDE).transpose(0, 3, 1, 2) / 127.5 - 1
        noise = ctx.rng.uniform(-1, 1, (2, ctx.batch_size, NOISE))
        batches.append(tuple(ctx.tensor(part) for part in (photos, *noise)))
    optimize = partial(Adam, lr=2e-4, betas=(0.5, 0.999))
    return adversarial_step(ctx, alternate, Generator, Discriminator, optimize, batches, PHOTOS_LABEL)


class Generator(nn.Sequential):
    """Noise (batch, 100) to images (batch, 3, 64, 64) of -1 to 1; 18,871,427 parameters.

    A linear projection to 4x4, then transposed convolutions of stride 2; batch norm on all but the output.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Linear(NOISE, 1024 * 4 * 4), nn.Unflatten(1, (1024, 4, 4))]
        layers += [nn.BatchNorm2d(1024), nn.ReLU()]
        for wide, narrow in ((1024, 512), (512, 256), (256, 128)):
            layers += [deconvolution(wide, narrow, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        super().__init__(*layers, deconvolution(128, 3, bias=True), nn.Tanh())
        self.apply(gaussian)


class Discriminator(nn.Sequential):
    """Images (batch, 3, 64, 64) to a logit (batch, 1); 17,232,897 parameters.

    Convolutions of stride 2 with leaky ReLU, batch norm on all but the input, then one linear layer.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = [convolution(3, 128, bias=True), nn.LeakyReLU(0.2)]
        for narrow, wide in ((128, 256), (256, 512), (512, 1024)):
            layers += [convolution(narrow, wide, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Flatten(), nn.Linear(1024 * 4 * 4, 1))
        self.apply(gaussian)


def convolution(channels_in: int, channels_out: int, *, bias: bool) -> nn.Conv2d:
    """A 5x5 convolution that halves the side."""
    return nn.Conv2d(channels_in, channels_out, 5, stride=2, padding=2, bias=bias)


def deconvolution(channels_in: int, channels_out: int, *, bias: bool) -> nn.ConvTranspose2d:
    """A 5x5 transposed convolution that doubles the side."""
    return nn.ConvTranspose2d(channels_in, channels_out, 5, stride=2, padding=2, output_padding=1, bias=bias)


def gaussian(layer: nn.Module) -> None:
    """Draw weights from N(0, .02) (section 4)."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, std=0.02)
