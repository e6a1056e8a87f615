"""Linear recursions over time, for many series at once, in two formulations: step by step, and by doubling.

Both solve y[t] = x[t] - c1 y[t-1] - c2 y[t-2] - ..., with y = 0 before the start, for coefficients (lags, series)
and inputs x (T, ..., series). This is the filter 1 / c(B) with c(B) = 1 + c1 B + c2 B^2 + ..., where B shifts by one
step. Time is the first dimension, so that the values of one time step are contiguous in memory.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

Filter = Callable[[Tensor], Tensor]
Formulation = Callable[[Tensor, int], Filter]


def loop(coefficients: Tensor, times: int) -> Filter:  # noqa: ARG001 - the inputs have the length
    """One time after another, as the recursion is written: T small dependent steps, the least arithmetic."""
    lags = coefficients.unbind()

    def apply(inputs: Tensor) -> Tensor:
        past: list[Tensor] = []
        for now in inputs.unbind():
            for c, before in zip(lags, reversed(past), strict=False):  # as far back as there are values
                now = torch.addcmul(now, c, before, value=-1)
            past.append(now)
        return torch.stack(past)

    return apply


def scan(coefficients: Tensor, times: int) -> Filter:
    """In log2(times) passes over all times at once; each is a short sum over lags, which double from pass to pass.

    1 / c(B) = c(-B) / c2(B^2) = c(-B) c2(-B^2) / c4(B^4) = ..., where the roots of c2 are the squares of those of c,
    and the roots of c4 the squares of those of c2. Values from ``times`` or more steps before have no influence.
    """
    passes = [coefficients]
    while 2 ** len(passes) < times:
        passes.append(with_squared_roots(passes[-1]))

    def apply(inputs: Tensor) -> Tensor:
        for k, taps in enumerate(passes):
            sums = inputs.clone()
            for lag, c in enumerate(taps, 1):
                shift = lag * 2**k
                if shift < len(inputs):
                    sums[shift:].addcmul_(inputs[:-shift], c, value=(-1) ** lag)
            inputs = sums
        return inputs

    return apply


def with_squared_roots(coefficients: Tensor) -> Tensor:
    """The coefficients (lags, series) of the polynomial c2(z^2) = c(z) c(-z) (Graeffe), the leading 1 left out."""
    c, count = coefficients, len(coefficients)
    squared = []
    squares = c.square()
    squares[::2].neg_()
    for k in range(1, count + 1):
        term = squares[k - 1]
        for i in range(max(0, 2 * k - count), k):
            other = c[2 * k - i - 1]
            term = torch.addcmul(term, c[i - 1], other, value=2 * (-1) ** i) if i else torch.add(term, other, alpha=2)
        squared.append(term)
    stacked = torch.stack(squared)
    # Values far below rounding become 0 before they become denormal: some CPUs are very slow with denormal numbers.
    return F.hardshrink(stacked, torch.finfo(stacked.dtype).eps ** 2)


FORMULATIONS: Mapping[str, Formulation] = MappingProxyType({"scan": scan, "loop": loop})
"""The ways to evaluate a recursion, as settings of the workloads; the one with fewer calls comes first."""
