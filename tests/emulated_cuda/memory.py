"""The memory of emulated GPUs is the host's: a CUDA tensor and a CPU tensor on the same bytes."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor

CPU = torch.device("cpu")


def is_cuda(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor on an emulated GPU."""
    return isinstance(value, Tensor) and value.device.type == "cuda"


def alias(tensor: Tensor) -> Tensor:
    """A CPU tensor on the memory of a CUDA tensor, which it does not keep alive."""
    storage = tensor.untyped_storage()
    same = torch._C._construct_storage_from_data_pointer(storage.data_ptr(), CPU, storage.nbytes())
    made = torch.empty(0, dtype=tensor.dtype)
    return made.set_(same, tensor.storage_offset(), tensor.size(), tensor.stride())


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy of a CPU tensor on an emulated GPU, with the same strides."""
    made = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=device)
    if tensor.numel():
        alias(made).copy_(tensor)
    return made
