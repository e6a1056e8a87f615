"""Operators on emulated GPUs: each is computed by a CPU's kernel on the same memory, under CUDA's rules."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.emulated_cuda import graphs, randomness, rules
from tests.emulated_cuda.copies import COPIES
from tests.emulated_cuda.kernels import kernel_of
from tests.emulated_cuda.memory import CPU, alias, is_cuda, on_device
from tests.emulated_cuda.operators import Args, Kwargs, leaves, mapped, traits
from tests.emulated_cuda.waits import wait

aten = torch.ops.aten

ALLOCATING = frozenset(
    (
        *(aten.empty.memory_format, aten.empty_strided.default, aten.empty_like.default),
        *(aten.new_empty.default, aten.new_empty_strided.default, aten.resize_.default),
    )
)
NATIVE = frozenset(
    (
        *(aten.set_.source_Storage_storage_offset, aten.set_.source_Storage, aten.set_.source_Tensor),
        *(aten._unsafe_view.default, aten.record_stream.default),
    )
)
"""Torch's own code for CUDA does these, and all views, without launching a kernel."""


class EmulatedCuda(TorchDispatchMode):
    """Takes every operator that gets or makes a CUDA tensor before torch launches a kernel for it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> Any:
        kwargs = kwargs or {}
        given = list(leaves(args, kwargs))
        asked = next((value for value in given if isinstance(value, torch.device)), None)
        device = asked or next((value.device for value in given if is_cuda(value)), CPU)
        if device.type == "meta" or not (device.type == "cuda" or any(map(is_cuda, given))):
            return func(*args, **kwargs)
        if func in COPIES:
            return COPIES[func](*args, **kwargs)
        if func in ALLOCATING:
            made = func(*args, **kwargs)
            graphs.allocated(made)
            return made
        operator = traits(func)
        if operator.decomposes:
            with self:
                return func.decompose(*args, **kwargs)
        if operator.view or func in NATIVE or device.type == "cpu":
            return func(*args, **kwargs)
        device = rules.with_index(device)
        if asked is None:  # else it makes a tensor like one that may be elsewhere
            rules.check_devices(operator, args, kwargs, device)
        rules.check_generator(given, device)
        if reason := rules.waits(operator, args, kwargs):
            wait(reason, device)
        with randomness.drawn_on(device, given) if operator.random else nullcontext():
            return computed(func, args, kwargs, device)


def computed(func: Any, args: Args, kwargs: Kwargs, device: torch.device) -> Any:
    """Compute an operator with tensors of the host in place of those on a GPU; its results are on this GPU."""
    tape, kernel = graphs.capturing(), kernel_of(func)
    given: dict[int, tuple[Tensor, Tensor]] = {}

    def on_host(value: Any) -> Any:
        if is_cuda(value):
            same = alias(value)
            given[id(same)] = same, value
            return same
        if isinstance(value, Tensor) and tape is not None:
            return value.clone()  # a number on the host is part of the launch, whatever becomes of it later
        if isinstance(value, torch.device):
            return CPU
        return None if isinstance(value, torch.Generator) else value

    memory: list[Tensor] = []

    def on_gpu(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in given:
            memory.append(value)
            return given[id(value)][1]
        made = on_device(value, device)
        if tape is not None:
            memory.append(alias(made))
        return made

    host_args = tuple(mapped(on_host, value) for value in args)
    host_kwargs = {name: mapped(on_host, value) for name, value in kwargs.items()}
    if tape is not None:
        tape.about_to_write(traits(func).writes(host_args, host_kwargs))
    results = mapped(on_gpu, kernel(*host_args, **host_kwargs))
    if tape is not None:
        tape.allocated(same for same in memory if id(same) not in given)
        tape.record(kernel, host_args, host_kwargs, memory)
    return results
