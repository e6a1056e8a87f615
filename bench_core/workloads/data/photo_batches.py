"""Photos in the form that ImageNet networks expect."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench_core.workloads.data.photos import photo_crops, photos
from bench_core.workloads.kit import BuildContext

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's channels, as torchvision's weights expect."""


def photo_batches(ctx: BuildContext, side: int) -> list[tuple[Tensor, Tensor]]:
    """A few batches of normalized photo crops, (batch, 3, side, side), and the index of each crop's photo (batch,)."""
    count = ctx.resident_batches(4 * ctx.batch_size * 3 * side**2)
    crops = photo_crops(ctx.rng, count * ctx.batch_size, side)
    which = np.arange(len(crops)) % len(photos())
    return [
        (ctx.tensor(normalized(images)), ctx.tensor(labels))
        for images, labels in zip(np.split(crops, count), np.split(which, count), strict=True)
    ]


def normalized(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(batch, side, side, 3) of 0 to 255 as (batch, 3, side, side), normalized by ImageNet's mean and deviation."""
    scaled: NDArray[np.float64] = (images / 255 - np.array(MEAN)) / np.array(DEVIATION)
    return scaled.transpose(0, 3, 1, 2)
