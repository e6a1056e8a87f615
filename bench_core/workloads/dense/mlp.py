"""Multilayer perceptrons on handwritten digits: small layers, so that launches and Python dominate."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer

from bench_core.workloads.data.digits import mnist
from bench_core.workloads.data.labeled import LabeledImages
from bench_core.workloads.kit import (
    BuildContext,
    KnownCosts,
    Step,
    forward_flops,
    inference,
    training,
    training_flops,
    workload,
)

SHAPE = (1, 28, 28)

_LECUN = "LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11), 1998, section III.A"
_BATCHES = (1, 16, 64, 512, 4096)
_mlp = partial(
    workload,
    family="mlp",
    unit="image",
    source="The 784-128-10 network of common PyTorch tutorials (ReLU, cross-entropy, SGD .01, batch 64), on the data "
    f"of {_LECUN}",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 16_384, 65_536)},
    reference_batch=64,
    variants=("eager", "compile", "cuda_graph"),
)
_sgd = partial(SGD, lr=0.01)


@_mlp(
    kind="train",
    known_costs=KnownCosts("101,770 parameters; 101,632 multiply-adds forward", 101_770, 409_088),
    regime="GPU: launches up to a few hundred images, since a step has about twenty small operations, each shorter "
    "than its launch. CPU: Python at batch 1, the matrix products from a few tens of images",
)
def mlp_train(ctx: BuildContext) -> Step:
    """Training of a 784-128-10 perceptron on handwritten digits: forward, backward and SGD."""
    return digits_training(ctx, perceptron, F.cross_entropy, _sgd)


@_mlp(
    kind="infer",
    known_costs=KnownCosts("101,770 parameters; 101,632 multiply-adds", 101_770, 203_264),
    regime="Launches and Python: a call has three operations. With thousands of images: arithmetic, 99% of it in the "
    "matrix product of the first layer",
)
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


@_mlp(
    kind="train",
    source="The 784-64-64-64-10 network of common PyTorch tutorials (ReLU, log-softmax, negative log-likelihood, Adam "
    f".001 of Kingma & Ba, ICLR 2015, algorithm 1; batch 10), on the data of {_LECUN}",
    batches={"cpu": (10, 64, 512, 4096), "cuda": (1, 10, 64, 512, 4096, 16_384, 65_536)},
    reference_batch=10,
    known_costs=KnownCosts("59,210 parameters; 59,008 multiply-adds forward; exp(outputs) sums to 1", 59_210, 253_696),
    regime="Launches and Python: it has more and smaller layers than mlp_train, and Adam. At the source's batch of 10, "
    "about three quarters of the operations of a step on a CPU are Adam's",
)
def ann_train(ctx: BuildContext) -> Step:
    """Training of a 784-64-64-64-10 perceptron on handwritten digits: log-softmax, negative log-likelihood, Adam."""
    return digits_training(ctx, deep_perceptron, F.nll_loss, partial(Adam, lr=0.001))


@_mlp(
    kind="train",
    source="PyTorch tutorials, Defining New autograd Functions, on the network of mlp_train and the data of " + _LECUN,
    batches={"cpu": (1, 64, 4096), "cuda": (1, 64, 4096, 65_536)},
    known_costs=KnownCosts("101,770 parameters; its ReLU passes gradcheck and equals torch.relu", 101_770, 409_088),
    regime="As mlp_train, and Python: on both devices the interpreter runs the activation and its gradient",
)
def custom_autograd_mlp(ctx: BuildContext) -> Step:
    """Training of mlp_train's perceptron with a ReLU whose gradient is written by hand in Python."""
    return digits_training(ctx, lambda: perceptron(HandWrittenReLU), F.cross_entropy, _sgd)


def perceptron(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """The model, from (batch, 1, 28, 28) to logits (batch, 10): 101,770 parameters, 101,632 multiply-adds per image."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), activation(), nn.Linear(128, 10))


def deep_perceptron() -> nn.Sequential:
    """From (batch, 1, 28, 28) to log-probabilities (batch, 10): 59,210 parameters, 59,008 multiply-adds per image."""
    hidden = [layer for width in (784, 64, 64) for layer in (nn.Linear(width, 64), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10), nn.LogSoftmax(dim=1))


class Rectify(torch.autograd.Function):
    """max(x, 0) and its derivative, 0 at 0 as in ``torch.relu``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The positive part."""
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradient where the input was positive."""
        x: Tensor = ctx.saved_tensors[0]
        return gradients[0] * (x > 0)


class HandWrittenReLU(nn.Module):
    """``Rectify`` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """The positive part."""
        positive: Tensor = Rectify.apply(x)
        return positive


def digits_training(
    ctx: BuildContext,
    make: Callable[[], nn.Module],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimize: Callable[[Iterator[nn.Parameter]], Optimizer],
) -> Step:
    """The step of a workload that trains a classifier of (batch, 1, 28, 28) on handwritten digits."""
    digits = mnist(ctx.data_dir, train=True)
    model = ctx.model(make, train=True)
    flops = training_flops(model, (ctx.batch_size, *SHAPE))
    optimizer = optimize(ctx.team.sharded(model).parameters())
    return ctx.step(
        training(ctx, model, optimizer, loss_fn, batches(ctx, digits)),
        units=ctx.batch_size,
        flops=flops,
        data=digits.source,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


def normalized(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Images (batch, 28, 28) of 0 to 255 as (batch, 1, 28, 28) of -1 to 1."""
    return scaled(images)[:, None]


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels of 0 to 255 as -1 to 1, that is (x / 255 - .5) / .5."""
    values: NDArray[np.float64] = (pixels / 255 - 0.5) / 0.5
    return values


def batches(
    ctx: BuildContext,
    data: LabeledImages,
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.float64]] = normalized,
    shape: tuple[int, ...] = SHAPE,
) -> list[tuple[Tensor, Tensor]]:
    """A few batches of images, each image prepared to this shape, and their classes, on the case's device."""
    rows = ctx.draw_rows(len(data.images), row_bytes=4 * prod(shape))
    return [(ctx.tensor(prepare(data.images[r])), ctx.tensor(data.labels[r])) for r in rows]
