"""Copies between host and emulated GPUs, within one and from one to another, and which of them the host waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tests.emulated_cuda import graphs
from tests.emulated_cuda.memory import CPU, alias, is_cuda, on_device
from tests.emulated_cuda.rules import with_index
from tests.emulated_cuda.waits import wait

aten = torch.ops.aten


def copy_(target: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """``aten.copy_``."""
    _wait(source, target.device, target.dtype, free=non_blocking and (is_cuda(source) <= target.is_pinned()))
    to, of = _on_host(target), _on_host(source)
    if (tape := graphs.capturing()) is not None:
        tape.about_to_write([to])
        tape.record(aten.copy_.default, (to, of), {}, [to])
    to.copy_(of)
    return target


def to_copy(
    source: Tensor,
    *,
    dtype: torch.dtype | None = None,
    layout: torch.layout | None = None,
    device: torch.device | None = None,
    pin_memory: bool | None = None,
    non_blocking: bool = False,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """``aten._to_copy``: always a new tensor; on the host in pinned memory if the copy is not to be waited for."""
    target = with_index(device or source.device)
    _wait(source, target, dtype or source.dtype, free=non_blocking)
    of, options = _on_host(source), {"dtype": dtype, "memory_format": memory_format}
    made = aten._to_copy.default(of, **options)
    if target == CPU:
        copied = memory = made.pin_memory() if non_blocking else made
    else:
        copied = on_device(made, target)
        graphs.allocated(copied)
        memory = alias(copied)
    if (tape := graphs.capturing()) is not None:
        tape.record(aten._to_copy.default, (of,), options, [memory])
    return copied


def foreach_copy_(targets: Sequence[Tensor], sources: Sequence[Tensor], non_blocking: bool = False) -> None:
    """``aten._foreach_copy_``."""
    for target, source in zip(targets, sources, strict=True):
        copy_(target, source, non_blocking)


COPIES: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        aten.copy_.default: copy_,
        aten._to_copy.default: to_copy,
        aten._foreach_copy_.default: foreach_copy_,
    }
)


def _on_host(tensor: Tensor) -> Tensor:
    return alias(tensor) if is_cuda(tensor) else tensor


def _wait(source: Tensor, target: torch.device, dtype: torch.dtype, *, free: bool) -> None:
    """Wait where CUDA does: for every copy between devices and host memory, but those without blocking by pinned
    memory. A copy from the host that changes the dtype goes through pageable memory."""
    if source.device.type == target.type:
        return
    if target == CPU:
        if not free:
            wait("copy to host", source.device)
    elif not (free and source.is_pinned() and source.dtype == dtype and source.is_contiguous()):
        wait("copy from host", target)
