"""Semantic segmentation of photos with DeepLabv3 and DeepLabv3+."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload
from bench_core.workloads.vision.resnet50 import photo_inference

SIDE = 224
CLASSES = 21

_CPU = (1, 2, 4)
_segmentation = partial(
    workload,
    family="segmentation",
    kind="infer",
    unit="image",
    batches={"cpu": _CPU, "cuda": (*_CPU, 16, 64)},
    reference_batch=1,
    heavy=True,
)
_V3 = (
    "Chen, Papandreou, Schroff & Adam, Rethinking Atrous Convolution for Semantic Image Segmentation, "
    "arXiv:1706.05587 (DeepLabv3, not v3+), section 3.3; torchvision.models.segmentation"
)


@_segmentation(
    source=f"{_V3}.deeplabv3_resnet50",
    weights="deeplabv3_resnet50_coco",
    known_costs=KnownCosts("39,638,869 parameters; 31.31 billion multiply-adds at 224x224", 39_638_869, 62_621_097_984),
    regime="Arithmetic: convolutions on maps of 1/8 of the input's side, where a plain ResNet goes down to 1/32. The "
    "GPU is expected to win from the first image",
)
def deeplabv3_r50_infer(ctx: BuildContext) -> Step:
    """Inference of DeepLabv3 with a ResNet-50 backbone on photos of 224x224: logits of 21 classes per pixel."""
    return photo_inference(ctx, ctx.pretrained(deeplabv3_r50), SIDE)


@_segmentation(
    source=f"{_V3}.deeplabv3_resnet101",
    weights="deeplabv3_resnet101_coco",
    known_costs=KnownCosts("58,630,997 parameters; 46.16 billion multiply-adds at 224x224", 58_630_997, 92_318_867_456),
    regime="Arithmetic: about 1.5 times as much as in deeplabv3_r50_infer. The GPU is expected to win from the first "
    "image",
)
def deeplabv3_r101_infer(ctx: BuildContext) -> Step:
    """Inference of DeepLabv3 with a ResNet-101 backbone on photos of 224x224: logits of 21 classes per pixel."""
    return photo_inference(ctx, ctx.pretrained(deeplabv3_r101), SIDE)


@_segmentation(
    source="Chen, Zhu, Papandreou, Schroff & Adam, Encoder-Decoder with Atrous Separable Convolution for Semantic "
    "Image Segmentation, ECCV 2018 (DeepLabv3+): encoder and decoder 3.1, the decoder's layers 4.1, ResNet-101 at "
    "output stride 16 4.2",
    known_costs=KnownCosts(
        "59,344,309 parameters, 1,303,648 of them in the decoder; 16.96 billion multiply-adds at 224x224",
        59_344_309,
        33_924_841_472,
    ),
    regime="Arithmetic: slightly more than a third of that of deeplabv3_r101_infer, since the maps go down to 1/16 of "
    "the input's side",
)
def deeplabv3plus_r101_infer(ctx: BuildContext) -> Step:
    """Inference of DeepLabv3+ with a ResNet-101 backbone on photos of 224x224: logits of 21 classes per pixel."""
    return photo_inference(ctx, deeplabv3plus_r101, SIDE)


def deeplabv3_r50() -> nn.Module:
    """torchvision's DeepLabv3 without its auxiliary head: 39,638,869 parameters, random weights.

    Maps (batch, 3, side, side) to ``{"out": (batch, 21, side, side)}``.
    """
    from torchvision.models.segmentation import deeplabv3_resnet50

    # Without weights_backbone=None the backbone's weights would be downloaded.
    model: nn.Module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)
    return model


def deeplabv3_r101() -> nn.Module:
    """The same with a ResNet-101: 58,630,997 parameters."""
    from torchvision.models.segmentation import deeplabv3_resnet101

    model: nn.Module = deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)
    dampen(model)
    return model


def dampen(model: nn.Module) -> None:
    """Let each residual block add a quarter of what torchvision's random weights add.

    Else activations grow to 270,000 over the blocks of a ResNet-101, more than fp16 holds; training would prevent it.
    """
    from torchvision.models.resnet import Bottleneck

    for block in model.modules():
        if isinstance(block, Bottleneck):
            nn.init.constant_(block.bn3.weight, 0.25)


class DeepLabV3Plus(nn.Module):
    """DeepLabv3+: an encoder of 256 channels at 1/16 of the side, and a decoder that refines its output (section 4.1).

    ``backbone`` returns ``{"low": (batch, 256, side / 4, ...), "high": ...}``, and ``aspp`` turns ``high`` into 256
    channels. Maps (batch, 3, side, side) to logits (batch, 21, side, side).
    """

    def __init__(self, backbone: nn.Module, aspp: nn.Module) -> None:
        super().__init__()
        self.backbone, self.aspp = backbone, aspp
        self.low = normed_convolution(256, 48, 1)
        self.fuse = nn.Sequential(normed_convolution(256 + 48, 256, 3), normed_convolution(256, 256, 3))
        self.classify = nn.Conv2d(256, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pixel's classes."""
        features = self.backbone(x)
        low = self.low(features["low"])
        encoded = enlarged(self.aspp(features["high"]), low)
        return enlarged(self.classify(self.fuse(torch.cat((encoded, low), 1))), x)


def deeplabv3plus_r101() -> nn.Module:
    """DeepLabv3+ with a ResNet-101 at output stride 16 and ASPP rates 6, 12, 18: 59,344,309 parameters, of which
    1,303,648 in the decoder; random weights."""
    from torchvision.models import resnet101
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation.deeplabv3 import ASPP

    # Stride 16: the last stage is dilated instead of strided.
    resnet = resnet101(weights=None, replace_stride_with_dilation=[False, False, True])
    dampen(resnet)
    backbone = IntermediateLayerGetter(resnet, {"layer1": "low", "layer4": "high"})
    return DeepLabV3Plus(backbone, ASPP(2048, [6, 12, 18]))


def normed_convolution(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the side, with batch norm and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU())


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Resize a map bilinearly to the height and width of another one."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
