"""An emulated NVIDIA GPU: torch's CUDA build over host memory. See README.md; ``python -m tests.emulated_cuda``."""

import ctypes


def active() -> bool:
    """Whether CUDA is emulated in this process."""
    return hasattr(ctypes.CDLL(None), "emulated_cuda_set_hook")
