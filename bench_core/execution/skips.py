"""What this machine cannot do is a skip with its reason. It is asked of the machine by trying it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from bench_core.core.errors import CaseSkipped

UNSUPPORTED = ("could not create a primitive", "not implemented for")
"""What oneDNN and torch say where they have no kernel for an operation, a dtype and this processor."""
NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing", "GPUTooOldForTriton")
"""The names of the exceptions by which torch.compile reports that it has no compiler for the generated code."""


@contextlib.contextmanager
def machine_limits_are_skips() -> Iterator[None]:
    """Turn running out of memory, a missing kernel and a missing compiler into ``CaseSkipped``."""
    try:
        yield
    except Exception as error:
        reason = limit_of(error)
        if reason is None:
            raise
        raise CaseSkipped(reason) from None


def limit_of(error: Exception) -> str | None:
    """The limit of this machine that an exception reports, as a reason; ``None`` where it is not one."""
    words = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory ({words})"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return f"out of memory ({words})"
    if isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in UNSUPPORTED):
        return f"not supported on this machine ({words.partition('. ')[0]})"
    for cause in _causes(error):
        if type(cause).__name__ in NO_COMPILER:
            first = next(line.strip() for line in str(cause).splitlines() if line.strip())
            return f"compile: no working compiler ({first[:160]})"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
