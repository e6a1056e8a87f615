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
    "1998, section II.B; widths, ReLU, maximum pooling and SGD .01 of common PyTorch tutorials, batch 64",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 4096, 16_384)},
    reference_batch=64,
    known_costs=KnownCosts("32,998 parameters; 232,440 multiply-adds forward", 32_998, 1_221_840),
    regime="Launches on a GPU up to some hundred images: about forty operations a step, each of one small kernel or a "
    "few; then memory bandwidth, as the channels are few. On a CPU Python at batch 1, convolutions and pooling "
    "from some tens of images on",
)
def cnn_mnist_train(ctx: BuildContext) -> Step:
    """Training of a network of two convolutions and three linear layers on handwritten digits, with SGD."""
    return digits_training(ctx, small_cnn, F.cross_entropy, partial(SGD, lr=0.01))


def small_cnn() -> nn.Sequential:
    """From (batch, 1, 28, 28) to logits (batch, 10): 32,998 parameters, 232,440 multiply-adds an image."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 12, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(192, 120), nn.ReLU()),
        *(nn.Linear(120, 60), nn.ReLU()),
        nn.Linear(60, 10),
    )
