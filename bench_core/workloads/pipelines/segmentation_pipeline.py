"""Segmentation of photos, from the bytes of a file to a map of classes on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench_core.workloads.data.photo_batches import DEVIATION, MEAN, normalized
from bench_core.workloads.data.photos import PHOTOS_LABEL
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, forward_flops, workload
from bench_core.workloads.vision import segmentation

if TYPE_CHECKING:
    from PIL.Image import Image

RESIZED = 256
"""The shorter side of a resized photo, in pixels, before it is cropped."""


class Preprocessing(Protocol):
    """From photos to normalized images (batch, 3, side, side) on the host; ``label`` says how, for people."""

    label: str

    def __init__(self, side: int) -> None: ...

    def __call__(self, photos: Sequence[Image]) -> Tensor:
        """The images of the photos."""
        ...


class Squared:
    """The largest square in the center of each photo, resized; the batch is normalized at once."""

    def __init__(self, side: int) -> None:
        self._side, self.label = side, f"center square resized to {side}"

    def __call__(self, photos: Sequence[Image]) -> Tensor:
        """The images, in float64."""
        return torch.from_numpy(normalized(np.stack([squared(photo, self._side) for photo in photos])))


class ResizedAndCropped:
    """Each photo resized to a shorter side of 256, cropped in the center and normalized by torchvision.transforms."""

    def __init__(self, side: int) -> None:
        from torchvision import transforms

        self.label = f"Resize({RESIZED}), CenterCrop({side})"
        self._each = transforms.Compose(
            [
                *(transforms.Resize(RESIZED), transforms.CenterCrop(side)),
                *(transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)),
            ]
        )

    def __call__(self, photos: Sequence[Image]) -> Tensor:
        """The images, in float32."""
        return torch.stack([self._each(photo) for photo in photos])


@workload(
    family="pipeline",
    kind="pipeline",
    unit="image",
    source="The inference loop of common segmentation tutorials (PyTorch Hub, DeepLabv3): a JPEG file, PIL, resize and "
    "crop to 224x224, ImageNet's mean and deviation, argmax, .cpu(); the network is that of deeplabv3_r50_infer. "
    "square224: the largest square in the center, resized to 224x224, and arithmetic of NumPy on the whole batch; "
    "resize256-crop224: torchvision.transforms on each photo, as in notebooks: Resize(256), CenterCrop(224), ToTensor, "
    "Normalize",
    batches={"cpu": (1, 2, 4), "cuda": (1, 2, 4, 16)},
    reference_batch=1,
    settings={"square224": Squared, "resize256-crop224": ResizedAndCropped},
    full_settings={"cpu": ("resize256-crop224",)},
    weights="deeplabv3_resnet50_coco",
    variants=("eager", "channels_last", "compile"),  # a graph would leave out decoding and the copies
    heavy=True,
    known_costs=KnownCosts(
        "39,638,869 parameters and 31.31 billion multiply-adds per image, those of deeplabv3_r50_infer; the stages add "
        "up to the whole call",
        parameters=39_638_869,
        flops=62_621_097_984,
    ),
    regime="CPU: the network's convolutions, which take hundreds of times as long as the rest. GPU: decoding and "
    "resizing, which stay on one CPU core, take as long as the network or longer",
    no_parity="its output is a map of classes, whole numbers for which no tolerance is useful; its logits are those of "
    "deeplabv3_r50_infer, which is checked against float64",
)
def segmentation_pipeline(ctx: BuildContext) -> Step:
    """Segmentation of photos with DeepLabv3: decode JPEG, preprocess, move to the device, infer, argmax, move back."""
    pipeline = Pipeline(ctx)
    return ctx.step(
        pipeline,
        units=ctx.batch_size,
        flops=forward_flops(pipeline.model, (ctx.batch_size, 3, pipeline.side, pipeline.side)),
        data=f"{PHOTOS_LABEL.removeprefix('crops of ')}, {pipeline.prepared.label}",
        modules={"model": pipeline.model},
        stages={
            "decode": pipeline.decode,
            "preprocess": pipeline.preprocess,
            "to device": pipeline.to_device,
            "infer": pipeline.infer,
            "argmax": pipeline.argmax,
            "to host": pipeline.to_host,
        },
        loading=("decode", "preprocess"),
        moving=("to device", "to host"),
    )


class Pipeline:
    """From JPEG bytes to classes (batch, side, side) on the host; the photos are used in turn.

    Calling it runs all stages; each stage works on the result of the one before.
    """

    def __init__(self, ctx: BuildContext) -> None:
        self.side = segmentation.SIDE
        self.model = ctx.model(ctx.pretrained(segmentation.deeplabv3_r50), train=False)
        self._ctx, self._forward = ctx, ctx.forward(self.model)
        prepare: type[Preprocessing] = ctx.setting
        self.prepared = prepare(self.side)
        self._files = cycle(photo_files().values())

    def __call__(self) -> Tensor:
        """The classes of the next photos."""
        self.decode()
        self.preprocess()
        self.to_device()
        self.infer()
        self.argmax()
        return self.to_host()

    def decode(self) -> None:
        """Decode JPEG bytes to pixels."""
        self._photos = [decoded(data) for data in islice(self._files, self._ctx.batch_size)]

    def preprocess(self) -> None:
        """Crop, resize and normalize the photos: (batch, 3, side, side)."""
        self._host = self.prepared(self._photos).to(self._ctx.storage).contiguous()

    def to_device(self) -> None:
        """Move the images to the device, in the memory layout of the variant."""
        layout = torch.channels_last if "channels_last" in self._ctx.case.variant_parts else torch.contiguous_format
        self._images = self._host.to(self._ctx.device).contiguous(memory_format=layout)

    def infer(self) -> None:
        """Logits of each pixel's classes."""
        with torch.inference_mode(), self._ctx.autocast():
            self._logits: Tensor = self._forward(self._images)["out"]

    def argmax(self) -> None:
        """The most likely class of each pixel."""
        self._classes = self._logits.argmax(1)

    def to_host(self) -> Tensor:
        """Move the classes back."""
        return self._classes.cpu()


@cache
def photo_files() -> Mapping[str, bytes]:
    """The JPEG files of the sample photos of matplotlib and scikit-learn, by name."""
    from matplotlib.cbook import get_sample_data

    hopper = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    images = files("sklearn.datasets.images")
    return {"grace_hopper.jpg": hopper} | {name: (images / name).read_bytes() for name in ("china.jpg", "flower.jpg")}


def decoded(data: bytes) -> Image:
    """A JPEG file's pixels."""
    from PIL import Image

    return Image.open(BytesIO(data)).convert("RGB")


def squared(photo: Image, side: int) -> NDArray[np.uint8]:
    """The largest square in the center of a photo, resized: (side, side, 3) of 0 to 255."""
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(photo, (side, side), Image.Resampling.BILINEAR))
