"""The longest sums of a call: with their length grows the error of a sum in floating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_FIRST_FACTOR = {"mm": 0, "bmm": 0, "matmul": 0, "linear": 0, "addmm": 1, "baddbmm": 1}
"""The position of the first factor of matrix products; its rows are summed over."""
_CONVOLUTIONS = ("convolution", "conv2d", "conv_transpose2d")
_TRANSPOSED = 6
"""The position of the argument that makes a convolution a transposed one."""
_NORMS = ("native_batch_norm", "batch_norm")
_TRAINING = 5
"""The position of the argument that lets a batch norm compute statistics of its own."""


@dataclass(frozen=True)
class Sums:
    """The length of the longest sum in matrix products and convolutions, and of the longest in a batch norm."""

    products: int = 1
    norms: int = 1

    def with_operation(self, name: str, args: Sequence[Any]) -> Sums:
        """These, and the sums of one more operation of torch."""
        if name in _NORMS and args[_TRAINING]:
            return Sums(self.products, max(self.norms, _positions(args[0])))
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


def _positions(tensor: Any) -> int:
    """The elements of one channel, in all images."""
    return int(tensor.numel() // tensor.shape[1])
