"""The kernels by which operators are computed: the CPU's, and some of our own where it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tests.emulated_cuda import recurrent
from tests.emulated_cuda.operators import leaves, mapped, traits

Kernel = Callable[..., Any]
aten = torch.ops.aten

OWN: Mapping[Any, Kernel] = MappingProxyType(
    {
        aten._thnn_fused_lstm_cell.default: recurrent.lstm_cell,
        aten._thnn_fused_lstm_cell_backward_impl.default: recurrent.lstm_cell_backward,
        aten._thnn_fused_gru_cell.default: recurrent.gru_cell,
        aten._thnn_fused_gru_cell_backward.default: recurrent.gru_cell_backward,
    }
)
PRODUCTS = frozenset(("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm"))
"""In half precision, GPUs sum these in fp32; some CPUs take minutes for them."""
HALVES = (torch.float16, torch.bfloat16)
UNSUPPORTED = ("could not create a primitive", "not implemented for")
"""What the CPU's libraries say where they have no kernel of an operator for half precision."""


@cache
def kernel_of(func: Any) -> Kernel:
    """The kernel of an operator. Raises ``NotImplementedError`` where there is none."""
    if func in OWN:
        return OWN[func]
    if not torch._C._dispatch_has_computed_kernel_for_dispatch_key(func.name(), "CPU"):
        raise NotImplementedError(
            f"the emulated GPU has no kernel for {func}, as the CPU has none; add one to tests.emulated_cuda.kernels"
        )

    if func.overloadpacket.__name__ in PRODUCTS:
        return partial(_in_fp32, func)
    return partial(_as_on_cpu, func)


def _as_on_cpu(func: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return func(*args, **kwargs)
    except RuntimeError as error:
        if traits(func).written or not any(words in str(error) for words in UNSUPPORTED):
            raise
        return _in_fp32(func, *args, **kwargs)


def _in_fp32(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Compute an operator of half precision in fp32 and round its results; another as it is."""
    half = next((v.dtype for v in leaves(args, kwargs) if isinstance(v, Tensor) and v.dtype in HALVES), None)
    if half is None:
        return func(*args, **kwargs)

    def widened(value: Any) -> Any:
        return value.float() if isinstance(value, Tensor) and value.dtype == half else value

    def rounded(value: Any) -> Any:
        return value.to(half) if isinstance(value, Tensor) and value.dtype == torch.float32 else value

    wide = [mapped(widened, value) for value in args]
    return mapped(rounded, func(*wide, **{name: mapped(widened, value) for name, value in kwargs.items()}))
