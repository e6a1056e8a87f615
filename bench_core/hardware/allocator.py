"""The C library's memory allocator, brought to the state that it has in a program that has run for a while.

glibc learns from what is freed: a block of up to 32 MiB that came from the kernel raises the size from which further
blocks come from the kernel and the amount of free memory that is given back (mallopt(3), M_MMAP_THRESHOLD). Before
that, a step whose tensors take some tens of MiB gets its memory from the kernel in every call, page fault by page
fault. So its time would depend on which cases were measured before it in the same process.
"""

from __future__ import annotations

from functools import cache

LARGEST_LEARNED = 2**25 - 2**16
"""Bytes: a little less than the largest block from which glibc learns."""


@cache
def settle() -> None:
    """Allocate and free a large block on the CPU, once in this process."""
    import torch

    torch.empty(LARGEST_LEARNED, dtype=torch.uint8)
