"""The longest sums of a call, with whose length the error grows, and by how much batch norms may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_FIRST_FACTOR = {"mm": 0, "bmm": 0, "matmul": 0, "linear": 0, "addmm": 1, "baddbmm": 1}
"""The position of the first factor of matrix products; its rows are summed over."""
_CONVOLUTIONS = ("convolution", "conv2d", "conv_transpose2d")
_TRANSPOSED = 6
"""The position of the argument that makes a convolution a transposed one."""
_NORMS = ("native_batch_norm", "batch_norm")
_TRAINING, _EPSILON = 5, 7
"""The positions of the argument that lets a batch norm compute statistics of its own, and of what it adds to the
variance."""


@dataclass(frozen=True)
class Sums:
    """The length of the longest sum in matrix products and convolutions, and the largest error of the statistics of a
    batch norm, in standard deviations, if the numbers of a channel are added one by one in fp32."""

    products: int = 1
    norms: float = 0.0

    def with_operation(self, name: str, args: Sequence[Any]) -> Sums:
        """These, and the sums of one more operation of torch."""
        if name in _NORMS and args[_TRAINING]:
            return Sums(self.products, max(self.norms, _error_one_by_one(args[0], args[_EPSILON])))
        length = _product_length(name, args)
        return Sums(length, self.norms) if length > self.products else self


NO_SUMS = Sums()
"""Those of work without any."""


def _product_length(name: str, args: Sequence[Any]) -> int:
    if name in _FIRST_FACTOR:
        return int(args[_FIRST_FACTOR[name]].shape[-1])
    if name in _CONVOLUTIONS:
        weight = args[1]
        transposed = name == "conv_transpose2d" or (name == "convolution" and args[_TRANSPOSED])
        return int(weight.numel() // weight.shape[1 if transposed else 0])
    if name == "convolution_backward":  # the gradient of the weights sums over all positions
        return min(_positions(args[0]), _positions(args[1]))
    return 1


def _error_one_by_one(inputs: Any, epsilon: float) -> float:
    """The largest error of a channel's mean, or of its standard deviation, relative to the latter."""
    exact = inputs.detach().transpose(0, 1).flatten(1).double().numpy()
    rounded = exact.astype(np.float32)
    mean, variance = exact.mean(axis=1), exact.var(axis=1) + epsilon
    rounded_mean = _mean_one_by_one(rounded)
    rounded_variance = _mean_one_by_one((rounded - rounded_mean[:, None]) ** 2).astype(np.float64) + epsilon
    off = np.abs(rounded_mean - mean) / np.sqrt(variance)
    return float(max(off.max(), np.abs(rounded_variance / variance - 1).max() / 2))


def _mean_one_by_one(rows: Any) -> Any:
    """The mean of each row; NumPy adds one by one where it keeps each partial sum."""
    return np.cumsum(rows, axis=1, dtype=np.float32)[:, -1] / np.float32(rows.shape[1])


def _positions(tensor: Any) -> int:
    """The elements of one channel, in all images."""
    return int(tensor.numel() // tensor.shape[1])
