"""Workloads whose calls crash, hang or talk, to be measured in processes of their own."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.workloads.kit import BuildContext, Step, Workload, workload

LIFELINE = "PLANTED_LIFELINE"
"""The environment variable with the path of a FIFO that processes of ``hangs`` keep open as long as they live."""
HANGING = b"hanging\n"
"""What ``hangs`` writes there."""

KIND: Literal["op"] = "op"
FACTS: dict[str, Any] = {
    "family": "planted",
    "kind": KIND,
    "unit": "call",
    "source": "a test",
    "batches": {"cpu": (1,), "cuda": (1,)},
    "reference_batch": 1,
    "no_parity": "it computes nothing",
}


def step(ctx: BuildContext, call: Callable[[], object]) -> Step:
    return ctx.step(call, units=1, flops=None, data="none")


@workload(**FACTS)
def talks(ctx: BuildContext) -> Step:
    """Writes what looks like results to its outputs, and ends the interpreter with an error."""
    import atexit

    def call() -> torch.Tensor:
        return ctx.normal(8).sum()

    for stream in (sys.stdout, sys.stderr):
        print('{"record": null}', file=stream, flush=True)
    atexit.register(os._exit, 3)
    return step(ctx, call)


@workload(**FACTS)
def segfaults(ctx: BuildContext) -> Step:
    """Reads at address 0."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return step(ctx, lambda: ctypes.string_at(0))


@workload(**FACTS)
def exits(ctx: BuildContext) -> Step:
    """Ends its process without a result."""

    def call() -> None:
        print("about to leave\n", file=sys.stderr, flush=True)
        os._exit(5)

    return step(ctx, call)


@workload(**FACTS)
def hangs(ctx: BuildContext) -> Step:
    """Starts a process, as loaders do, and waits for ever; neither ends when it is asked to."""

    def call() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        lifeline = Path(os.environ[LIFELINE]).open("wb", buffering=0)  # noqa: SIM115 - open as long as the process
        subprocess.Popen(["sleep", "3600"], pass_fds=[lifeline.fileno()])
        lifeline.write(HANGING)
        threading.Event().wait()

    return step(ctx, call)


@workload(**FACTS)
def is_wrong(ctx: BuildContext) -> Step:
    """Raises an error that bench-core has a class for."""
    raise ParityError("outputs: relative error 0.3 exceeds the fp32 tolerance 4e-06")


@workload(**FACTS)
def is_unsupported(ctx: BuildContext) -> Step:
    """Is skipped."""
    raise CaseSkipped("out of memory (MemoryError)")


@workload(**FACTS)
def has_a_bug(ctx: BuildContext) -> Step:
    """Raises an error of Python."""
    raise ZeroDivisionError("division by zero")


@workload(**FACTS)
def runs_out_of_memory(ctx: BuildContext) -> Step:
    """Needs more memory than there is."""
    return step(ctx, lambda: torch.empty(2**50))


WORKLOADS = {value.name: value for value in list(vars().values()) if isinstance(value, Workload)}
