"""Semantic segmentation of photos."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bench_core.build import BuildContext, forward_flops, inference
from bench_core.datasets import PHOTOS_LABEL, photo_crops
from bench_core.spec import Step, workload

SIDE = 224
CLASSES = 21
# Mean and deviation of ImageNet's channels, as torchvision's weights expect.
_MEAN = np.array((0.485, 0.456, 0.406))
_DEVIATION = np.array((0.229, 0.224, 0.225))


@workload(
    family="segmentation",
    kind="infer",
    unit="image",
    source="Chen, Papandreou, Schroff & Adam, Rethinking Atrous Convolution for Semantic Image Segmentation, "
    "arXiv:1706.05587 (DeepLabv3, not v3+), section 3.3; torchvision.models.segmentation.deeplabv3_resnet50",
    batches={"cpu": (1, 4), "cuda": (1, 4, 16, 64)},
    reference_batch=1,
    heavy=True,
)
def deeplabv3_r50_infer(ctx: BuildContext) -> Step:
    """Inference of DeepLabv3 with a ResNet-50 backbone on photos of 224x224: logits of 21 classes a pixel."""
    shape = (ctx.batch_size, 3, SIDE, SIDE)
    model = ctx.model(deeplabv3_r50, train=False)
    batches = [
        ctx.tensor(normalized(photo_crops(ctx.rng, ctx.batch_size, SIDE)))
        for _ in range(ctx.resident(4 * ctx.batch_size * 3 * SIDE**2))
    ]
    return ctx.step(
        inference(ctx, model, batches),
        units=ctx.batch_size,
        flops=forward_flops(model, shape),
        data=PHOTOS_LABEL,
        modules={"model": model},
    )


def deeplabv3_r50() -> nn.Module:
    """torchvision's DeepLabv3 without its auxiliary head: 39,638,869 parameters, random weights.

    Maps (batch, 3, side, side) to ``{"out": (batch, 21, side, side)}``.
    """
    from torchvision.models.segmentation import deeplabv3_resnet50

    # Without weights_backbone=None the backbone's weights would be downloaded.
    model: nn.Module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)
    return model


def normalized(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(batch, side, side, 3) of 0 to 255 as (batch, 3, side, side) with ImageNet's mean and deviation taken out."""
    scaled: NDArray[np.float64] = (images / 255 - _MEAN) / _DEVIATION
    return scaled.transpose(0, 3, 1, 2)
