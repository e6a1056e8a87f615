"""Images with their classes, as data sets have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LabeledImages:
    """Images of 0 to 255, (n, height, width) or (n, channels, height, width), their (n,) classes, and their name."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: str
