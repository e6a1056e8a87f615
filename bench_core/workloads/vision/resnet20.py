"""ResNet-20 on small images (He et al. 2016, section 4.2)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from bench_core.core.errors import DataError
from bench_core.workloads.data.cifar import FOLDER, cifar10, has_cifar10
from bench_core.workloads.data.digits import mnist
from bench_core.workloads.data.labeled import LabeledImages
from bench_core.workloads.dense.mlp import batches, normalized, scaled
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, training, training_flops, workload
from bench_core.workloads.vision.resnet import ResidualBlock

SHAPE = (3, 32, 32)

_PAPER_BATCH = 128


@workload(
    family="resnet",
    kind="train",
    unit="image",
    source="He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2 (n = 3, batch "
    "128, SGD .1, momentum .9, decay .0001), but with projection shortcuts (option B of 4.1); learning rate "
    "proportional to the batch: Goyal et al., arXiv:1706.02677, section 2.1. The data are CIFAR-10 if the folder of "
    "--bench-data has its binary version (cifar-10-batches-bin), else digits with a margin and three equal channels; "
    "pixels are scaled to -1 to 1. There is no augmentation: a few fixed batches are used in turn, so that all calls "
    "are the same work",
    batches={"cpu": (1, 16, 128), "cuda": (1, 16, 128, 1024)},
    reference_batch=_PAPER_BATCH,
    heavy=True,
    known_costs=KnownCosts("272,474 parameters; 40,813,184 multiply-adds forward", 272_474, 243_994_368),
    regime="GPU: launches and Python at small batches, since a step has about 170 small operations (without the "
    "optimizer's), most of them one or a few kernels; memory bandwidth at larger batches, since there are few "
    "channels. CPU: arithmetic, most of it in convolutions",
)
def resnet20_cifar_train(ctx: BuildContext) -> Step:
    """Training of the ResNet-20 for CIFAR, on the user's CIFAR-10 or on digits in the shape of its images."""
    data, inputs = small_images(ctx)
    model = ctx.model(resnet20, train=True)
    optimizer = scaled_sgd(model, ctx.batch_size / _PAPER_BATCH)
    return ctx.step(
        training(ctx, model, optimizer, F.cross_entropy, inputs),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, *SHAPE)),
        data=data,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


def small_images(ctx: BuildContext) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """The name of the data, and a few batches of images (batch, 3, 32, 32) and their classes (batch,).

    Raises ``DataError`` if the user's folder has neither CIFAR-10 nor MNIST, or damaged files.
    """
    if ctx.data_dir is not None and has_cifar10(ctx.data_dir):
        images = cifar10(ctx.data_dir, train=True)
        return images.source, batches(ctx, images, scaled, SHAPE)
    digits = user_digits(ctx.data_dir) if ctx.data_dir else mnist(train=True)
    return f"{digits.source}, 3 channels of 32x32", batches(ctx, digits, cifar_shaped, SHAPE)


def user_digits(data_dir: Path) -> LabeledImages:
    """MNIST's training part from a folder without CIFAR-10."""
    try:
        return mnist(data_dir, train=True)
    except DataError as error:
        raise DataError(f"no {FOLDER} in {data_dir}, and {error}") from error


def resnet20() -> nn.Sequential:
    """From (batch, 3, 32, 32) to logits (batch, 10): 272,474 parameters, about 40.8 million multiply-adds per image."""
    stages = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
    blocks = [
        ResidualBlock(wide if i else narrow, wide, 1 if i else stride)
        for narrow, wide, stride in stages
        for i in range(3)
    ]
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *blocks,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )
    return model.apply(he_normal)


def he_normal(layer: nn.Module) -> None:
    """Draw a convolution's weights as in He et al., ICCV 2015, equation 10, which section 4.2 uses."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def scaled_sgd(model: nn.Module, share: float) -> SGD:
    """SGD as in He et al.; the learning rate is proportional to the batch, which is ``share`` times theirs."""
    return SGD(model.parameters(), lr=0.1 * share, momentum=0.9, weight_decay=1e-4)


def cifar_shaped(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Digits (batch, 28, 28) of 0 to 255 as (batch, 3, 32, 32) of -1 to 1: a margin of 2, three equal channels."""
    return normalized(np.pad(images, ((0, 0), (2, 2), (2, 2)))).repeat(3, axis=1)
