"""A case that this machine cannot run is a skip with its reason. Only trying it shows whether it can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from bench_core.core.errors import CaseSkipped, MissingExtraError

UNSUPPORTED = ("could not create a primitive", "not implemented for", "Low precision dtypes not supported")
"""Phrases of the errors by which oneDNN, torch and torch.linalg report that they have no kernel for an operation and a
dtype here."""
NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing", "GPUTooOldForTriton")
"""The names of the exceptions by which torch.compile reports that it has no compiler for the generated code."""


@contextlib.contextmanager
def machine_limits_are_skips() -> Iterator[None]:
    """Turn running out of memory, a missing kernel, compiler or extra of bench-core into ``CaseSkipped``."""
    try:
        yield
    except Exception as error:
        reason = limit_of(error)
        if reason is None:
            raise
        raise CaseSkipped(reason) from None


def limit_of(error: Exception) -> str | None:
    """The reason for a skip, if an exception reports a limit of this machine; else ``None``."""
    words = _first_line(error)
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory ({words})"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return f"out of memory ({words})"
    if kernel := missing_kernel(error):
        return kernel
    if isinstance(error, MissingExtraError):
        return str(error)
    for cause in causes(error):
        if type(cause).__name__ in NO_COMPILER:
            return f"compile: no working compiler ({_first_line(cause)})"
    return None


def missing_kernel(error: Exception) -> str | None:
    """The reason for a skip, if a library reports that it has no kernel for this processor; else ``None``."""
    if isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in UNSUPPORTED):
        return f"not supported on this machine ({_first_line(error).partition('. ')[0]})"
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, the one that caused it, and so on."""
    while error is not None:
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
