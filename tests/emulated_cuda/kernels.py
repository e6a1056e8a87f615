"""The kernels by which operators are computed: the CPU's, and some of our own where it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tests.emulated_cuda.attention import ATTENTION
from tests.emulated_cuda.operators import leaves, mapped, traits
from tests.emulated_cuda.recurrent import CELLS

Kernel = Callable[..., Any]


def softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """``_softmax``, which on a GPU may read fp16 and write fp32."""
    return torch._softmax(x.float() if half_to_float else x, dim, half_to_float=False)


def softmax_backward(gradient: Tensor, output: Tensor, dim: int, input_dtype: torch.dtype) -> Tensor:
    """``_softmax_backward_data``, which on a GPU may read fp32 and write fp16."""
    return torch._softmax_backward_data(gradient, output, dim, output.dtype).to(input_dtype)


def batch_norm(x: Tensor, *others: Any) -> tuple[Tensor, ...]:
    """``native_batch_norm``; a GPU sums in parts, the CPU's kernel adds the numbers of channels_last one by one."""
    output, *statistics = torch.native_batch_norm(x.contiguous(), *others)
    return (output.contiguous(memory_format=_format(x)), *statistics)


def batch_norm_backward(gradient: Tensor, x: Tensor, *others: Any) -> tuple[Tensor, ...]:
    """``native_batch_norm_backward``, in the same way."""
    of_x, *of_weights = torch.ops.aten.native_batch_norm_backward(gradient.contiguous(), x.contiguous(), *others)
    return (of_x if of_x is None else of_x.contiguous(memory_format=_format(x)), *of_weights)


def _format(x: Tensor) -> torch.memory_format:
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


OWN: Mapping[str, Kernel] = MappingProxyType(
    {
        **CELLS,
        **ATTENTION,
        "_softmax": softmax,
        "_softmax_backward_data": softmax_backward,
        **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit"), batch_norm),
        "native_batch_norm_backward": batch_norm_backward,
    }
)
FACTORS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "convolution": (0, 1),
        "convolution_backward": (0, 1, 2),
        **dict.fromkeys(("mm", "bmm"), (0, 1)),
        **dict.fromkeys(("addmm", "baddbmm"), (1, 2)),
    }
)
"""Products, and which of their arguments are multiplied. GPUs round these to TF32 where that is allowed, and sum
products of half precision in fp32."""
HALVES = (torch.float16, torch.bfloat16)
UNSUPPORTED = ("could not create a primitive", "not implemented for")
"""What the CPU's libraries say where they have no kernel of an operator for half precision."""


@cache
def kernel_of(func: Any) -> Kernel:
    """The kernel of an operator. Raises ``NotImplementedError`` where there is none."""
    name = func.overloadpacket.__name__
    if name in OWN:
        return OWN[name]
    if not torch._C._dispatch_has_computed_kernel_for_dispatch_key(func.name(), "CPU"):
        raise NotImplementedError(
            f"the emulated GPU has no kernel for {func}, as the CPU has none; add one to tests.emulated_cuda.kernels"
        )
    if name in FACTORS:
        backends: Any = torch.backends
        backend = backends.cudnn.conv if name.startswith("convolution") else backends.cuda.matmul
        return partial(_product, func, FACTORS[name], backend)
    return partial(_as_on_cpu, func)


def _product(func: Any, factors: tuple[int, ...], backend: Any, *args: Any, **kwargs: Any) -> Any:
    if backend.fp32_precision == "tf32":
        args = tuple(_rounded_to_tf32(value) if place in factors else value for place, value in enumerate(args))
    return _in_fp32(func, *args, **kwargs)


def _rounded_to_tf32(factor: Tensor) -> Tensor:
    """A factor of fp32 with 10 bits of significand, rounded to nearest; of another dtype as it is."""
    if factor.dtype != torch.float32:
        return factor
    return ((factor.view(torch.int32) + 0x1000) & -0x2000).view(torch.float32)


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
