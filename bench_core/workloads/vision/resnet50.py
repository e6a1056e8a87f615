"""The complete ResNet-50: training and inference, plain and with squeeze-and-excitation."""

from collections.abc import Callable
from functools import partial

from torch import nn
from torch.nn import functional as F

from bench_core.workloads.data.photo_batches import photo_batches
from bench_core.workloads.data.photos import PHOTOS_LABEL
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
from bench_core.workloads.vision.resnet import SEBlock
from bench_core.workloads.vision.resnet20 import scaled_sgd

SIDE = 224

_HE = "He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition, CVPR 2016, section 4.1 and table 1"
_TORCHVISION = "torchvision.models.resnet50, stride 2 in the 3x3 convolution (v1.5)"
_PAPER_BATCH = 256
_CPU = (1, 4, 16)
_resnet50 = partial(
    workload,
    family="resnet",
    unit="image",
    batches={"cpu": _CPU, "cuda": (*_CPU, 64, _PAPER_BATCH)},
    reference_batch=_PAPER_BATCH,
    heavy=True,
)


@_resnet50(
    kind="train",
    source=f"{_HE}, training 3.4 (batch 256, SGD .1, momentum .9, decay .0001); {_TORCHVISION}; learning rate "
    "proportional to the batch: Goyal et al., arXiv:1706.02677, section 2.1",
    weights="resnet50",
    known_costs=KnownCosts("25,557,032 parameters; 4.089 billion multiply-adds forward", 25_557_032, 24_299_077_632),
    regime="Arithmetic: on a CPU from the first image, on a GPU from a few images. On a GPU at batch 1: launches, "
    "about 400 operations per step (without the optimizer's)",
)
def resnet50_train(ctx: BuildContext) -> Step:
    """Training of a ResNet-50 of 1,000 classes to recognize which photo a crop of 224x224 comes from."""
    return resnet50_training(ctx)


def resnet50_training(ctx: BuildContext) -> Step:
    """The step of a workload that trains a ResNet-50, with the learning rate of its batch."""
    model = ctx.model(ctx.pretrained(resnet50), train=True)
    flops = training_flops(model, (ctx.batch_size, 3, SIDE, SIDE))
    optimizer = scaled_sgd(ctx.team.sharded(model), ctx.batch_size / _PAPER_BATCH)
    return ctx.step(
        training(ctx, model, optimizer, F.cross_entropy, photo_batches(ctx, SIDE)),
        units=ctx.batch_size,
        flops=flops,
        data=PHOTOS_LABEL,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


@_resnet50(
    kind="infer",
    source=f"{_HE}; {_TORCHVISION}",
    weights="resnet50",
    known_costs=KnownCosts("25,557,032 parameters; 4.089 billion multiply-adds", 25_557_032, 8_178_368_512),
    regime="Arithmetic: on a CPU from the first image, on a GPU from a few images. On a GPU at batch 1: launches, "
    "about 170 operations per call",
)
def resnet50_infer(ctx: BuildContext) -> Step:
    """Inference of ResNet-50 on photos of 224x224: logits of 1,000 classes."""
    return photo_inference(ctx, ctx.pretrained(resnet50), SIDE)


@_resnet50(
    kind="infer",
    source="Hu, Shen & Sun, Squeeze-and-Excitation Networks, CVPR 2018, sections 3 and 4, figure 3 and table 1, "
    f"reduction 16, without biases; {_TORCHVISION}",
    known_costs=KnownCosts(
        "28,071,976 parameters, 2,514,944 of them in the gates; 4.092 billion multiply-adds", 28_071_976, 8_183_398_400
    ),
    regime="As resnet50_infer, with sixteen small gates in addition: about a hundred operations more, but hardly more "
    "arithmetic",
)
def se_resnet50_infer(ctx: BuildContext) -> Step:
    """Inference of ResNet-50 with squeeze-and-excitation on photos of 224x224: logits of 1,000 classes."""
    return photo_inference(ctx, se_resnet50, SIDE)


def photo_inference(ctx: BuildContext, make: Callable[[], nn.Module], side: int) -> Step:
    """The step of a workload that runs an ImageNet network on photos."""
    model = ctx.model(make, train=False)
    return ctx.step(
        inference(ctx, model, [crops for crops, _ in photo_batches(ctx, side)]),
        units=ctx.batch_size,
        flops=forward_flops(model, (ctx.batch_size, 3, side, side)),
        data=PHOTOS_LABEL,
        modules={"model": model},
    )


def resnet50() -> nn.Module:
    """torchvision's, from (batch, 3, side, side) to logits (batch, 1000): 25,557,032 parameters, random weights."""
    from torchvision.models import resnet50 as make

    model: nn.Module = make(weights=None)
    return model


def se_resnet50() -> nn.Module:
    """ResNet-50 with an SE block at the end of each residual branch, before the sum: 28,071,976 parameters."""
    from torchvision.models.resnet import Bottleneck

    model = resnet50()
    for block in [module for module in model.modules() if isinstance(module, Bottleneck)]:
        block.bn3 = nn.Sequential(block.bn3, SEBlock(block.bn3.num_features))
    return model
