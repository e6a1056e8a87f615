"""A multilayer perceptron on handwritten digits: small layers, so that launches and Python weigh most."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.build import BuildContext, forward_flops, inference, training, training_flops
from bench_core.datasets import Digits, mnist
from bench_core.spec import Step, workload

SHAPE = (1, 28, 28)

_BATCHES = (1, 16, 64, 512, 4096)
_mlp = partial(
    workload,
    family="mlp",
    unit="image",
    source="The 784-128-10 network of common PyTorch tutorials (ReLU, cross-entropy, SGD .01, batch 64), on the data "
    "of LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11), 1998, section III.A",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 16_384, 65_536)},
    reference_batch=64,
    variants=("eager", "compile"),
)


@_mlp(kind="train")
def mlp_train(ctx: BuildContext) -> Step:
    """Training of a 784-128-10 perceptron on handwritten digits: forward, backward and SGD."""
    digits = mnist(ctx.data_dir, train=True)
    model = ctx.model(perceptron, train=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return ctx.step(
        training(ctx, model, optimizer, F.cross_entropy, batches(ctx, digits)),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, *SHAPE)),
        data=digits.source,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


@_mlp(kind="infer")
def mlp_infer(ctx: BuildContext) -> Step:
    """Inference of a 784-128-10 perceptron on handwritten digits: logits."""
    digits = mnist(ctx.data_dir, train=False)
    model = ctx.model(perceptron, train=False)
    return ctx.step(
        inference(ctx, model, [images for images, _ in batches(ctx, digits)]),
        units=ctx.batch_size,
        flops=forward_flops(model, (ctx.batch_size, *SHAPE)),
        data=digits.source,
        modules={"model": model},
    )


def perceptron() -> nn.Sequential:
    """The model, from (batch, 1, 28, 28) to logits (batch, 10): 101,770 parameters, 101,632 multiply-adds an image."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def normalized(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Images of 0 to 255, (batch, 28, 28), as (batch, 1, 28, 28) of -1 to 1: mean .5 and deviation .5 taken out."""
    return ((images / 255 - 0.5) / 0.5)[:, None]


def batches(ctx: BuildContext, digits: Digits) -> list[tuple[Tensor, Tensor]]:
    """A few batches of normalized images and their classes on the case's device, drawn from the case's seed."""
    rows = ctx.draw_rows(len(digits.images), row_bytes=4 * 28 * 28)
    return [(ctx.tensor(normalized(digits.images[r])), ctx.tensor(digits.labels[r])) for r in rows]
