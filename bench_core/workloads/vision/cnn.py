"""A small convolutional network on handwritten digits."""

from functools import partial

from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

from bench_core.workloads.dense.mlp import digits_training
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

_BATCHES = (1, 16, 64, 512)


@workload(
    family="cnn",
    kind="train",
    unit="image",
    source="After LeNet-5: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11), "
    "1998, section II.B; widths, ReLU, max pooling and SGD .01 of common PyTorch tutorials, batch 64",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 4096, 16_384)},
    reference_batch=64,
    known_costs=KnownCosts("32,998 parameters; 232,440 multiply-adds forward", 32_998, 1_221_840),
    regime="GPU: launches up to a few hundred images, since a step has about forty operations of one or a few small "
    "kernels each; then memory bandwidth, since there are few channels. CPU: Python at batch 1, convolutions and "
    "pooling from a few tens of images",
)
def cnn_mnist_train(ctx: BuildContext) -> Step:
    """Training of a network of two convolutions and three linear layers on handwritten digits, with SGD."""
    return digits_training(ctx, small_cnn, F.cross_entropy, partial(SGD, lr=0.01))


def small_cnn() -> nn.Sequential:
    """From (batch, 1, 28, 28) to logits (batch, 10): 32,998 parameters, 232,440 multiply-adds per image."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 12, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(192, 120), nn.ReLU()),
        *(nn.Linear(120, 60), nn.ReLU()),
        nn.Linear(60, 10),
    )
