"""Sample photos that come with installed libraries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


PHOTOS_LABEL = "crops of grace_hopper.jpg, china.jpg and flower.jpg"


@cache
def photos() -> Mapping[str, NDArray[np.uint8]]:
    """The sample photos of matplotlib and scikit-learn by file name, as (height, width, 3) of 0 to 255."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    from sklearn.datasets import load_sample_image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB"))
    return {"grace_hopper.jpg": hopper} | {name: load_sample_image(name) for name in ("china.jpg", "flower.jpg")}


def photo_crops(rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
    """Square crops of the photos in turn, each at a random position: (count, side, side, 3) of 0 to 255."""
    sources = list(photos().values())
    crops = np.empty((count, side, side, 3), dtype=np.uint8)
    for i in range(count):
        photo = sources[i % len(sources)]
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        crops[i] = photo[top : top + side, left : left + side]
    return crops
