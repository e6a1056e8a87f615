"""What CUDA allows of an operator's arguments, and for which operators the host waits."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tests.emulated_cuda.memory import CPU, is_cuda
from tests.emulated_cuda.operators import Args, Kwargs, Traits, leaves


def with_index(device: torch.device) -> torch.device:
    """The device with its index, the current one where none is given."""
    return (
        device
        if device.index is not None or device.type != "cuda"
        else torch.device("cuda", torch.cuda.current_device())
    )


def check_devices(operator: Traits, args: Args, kwargs: Kwargs, device: torch.device) -> None:
    """Raise ``RuntimeError`` where work on a GPU meets tensors of another device."""
    if operator.indexes and args[0].device == CPU:
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    for value in leaves(args, kwargs):
        if not isinstance(value, Tensor) or value.device == device:
            continue
        number = operator.takes_host_numbers and value.ndim == 0
        index = operator.indexes and not value.is_floating_point()
        written = any(value is tensor for tensor in operator.writes(args, kwargs))
        if value.device != CPU or written or not (number or index):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {device} and "
                f"{value.device}! ({operator.name})"
            )


def check_generator(given: Iterable[object], device: torch.device) -> None:
    """Raise ``RuntimeError`` where work on a GPU draws from the generator of another device."""
    for value in given:
        if isinstance(value, torch.Generator) and with_index(value.device) != device:
            raise RuntimeError(f"Expected a '{device}' generator but found one of '{value.device}'")


def waits(operator: Traits, args: Args, kwargs: Kwargs) -> str | None:
    """Why the host waits for the figures or sizes of an operator; ``None`` where it does not."""
    if operator.indexes:
        return _waits_for_indices(operator, args)
    if not operator.reads_back or (operator.name == "repeat_interleave" and kwargs.get("output_size") is not None):
        return None
    return "item" if operator.name == "_local_scalar_dense" else operator.name


def _waits_for_indices(operator: Traits, args: Args) -> str | None:
    indices = [index for index in args[1] if isinstance(index, Tensor)]
    masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
    filling = bool(operator.written) and len(masks) == len(indices) == 1 and args[2].numel() == 1
    if masks and not filling:
        return "nonzero"
    return None if all(map(is_cuda, indices)) else "copy from host"
