"""Puts the emulation in place, once torch is imported: the hook of the runtime, the dispatch mode, and little else."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tests.emulated_cuda import active, graphs, waits
from tests.emulated_cuda.dispatch import EmulatedCuda
from tests.emulated_cuda.memory import alias, is_cuda
from tests.emulated_cuda.waits import wait

Hook = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_ulonglong)
GRAPHS: Mapping[str, Callable[[int], None]] = {
    "cudaStreamBeginCapture": graphs.begin,
    "cudaStreamEndCapture": graphs.end,
    "cudaGraphLaunch": graphs.launch,
    "cudaGraphExecDestroy": graphs.destroy,
}


def install() -> None:
    """Emulate CUDA in this process; torch calls it at the end of its import. Needs the shim to be loaded."""
    if not active():
        raise RuntimeError("the emulated CUDA runtime is not loaded; run the command by: python -m tests.emulated_cuda")
    set_hook = ctypes.CDLL(None).emulated_cuda_set_hook
    set_hook(_hook)
    atexit.register(set_hook, None)  # graphs may outlive the interpreter
    torch.backends.cudnn.enabled = False  # its layers are loops of kernels then, which can be emulated: recurrent.py
    torch.profiler.supported_activities = _host_alone  # CUPTI, which traces a GPU, would crash on this runtime
    _print_from_host()
    if path := os.environ.get("EMULATED_CUDA_WAITS"):
        atexit.register(waits.append, path)
    EmulatedCuda().__enter__()


@Hook
def _hook(function: bytes, graph: int) -> int:
    """What the runtime calls; 1 where it raised an exception, which C cannot pass on."""
    try:
        name = function.decode()
        GRAPHS[name](graph) if name in GRAPHS else waits.count(name)
    except BaseException:
        print("emulated CUDA:", traceback.format_exc(), file=sys.stderr)
        return 1
    return 0


def _host_alone() -> set[torch.profiler.ProfilerActivity]:
    """What torch's profiler can trace."""
    return {torch.profiler.ProfilerActivity.CPU}


def _print_from_host() -> None:
    """Let tensors be printed, which torch does with the modes switched off."""
    import torch._tensor_str as printing

    original: Callable[..., str] = printing._str

    def on_host(self: torch.Tensor, *args: Any, **kwargs: Any) -> str:
        if not is_cuda(self):
            return original(self, *args, **kwargs)
        wait("print", self.device)
        return f"{original(alias(self.detach()), *args, **kwargs)} on {self.device}"

    printing._str = on_host
