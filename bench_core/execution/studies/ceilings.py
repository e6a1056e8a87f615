"""A study: what each device of this machine can do at most. Matrix products, memory, and operators with no work.

The ceilings of a device are measured once for a fingerprint of the machine, and kept in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.cache import cache_dir, draft
from bench_core.core.ceilings import Ceilings, MemorySpeed
from bench_core.core.errors import CaseSkipped, RecordError
from bench_core.core.schema import as_dataclass
from bench_core.execution.counting import count
from bench_core.execution.runner import threads
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import machine, precision
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import ACCELERATORS, find
from bench_core.timing.sampling import measure
from bench_core.workloads.kit.graphs import capture

CPU_SIDES, GPU_SIDES = (512, 1024, 2048), (2048, 4096, 8192)
"""Sides of the matrices."""
DTYPES = ("fp32", "bf16", "fp16")
FOOTPRINTS = tuple(2**power for power in range(15, 31, 3))
"""Bytes that an operator touches, from the first cache to well beyond the last one."""
CHAIN = 64
"""Operators in a chain, each of which takes the output of the one before."""
LINK = 2**26
"""Bytes that are copied from the host."""
SECONDS = 0.25
"""Of samples for each figure."""
LONGEST = 0.5
"""Seconds of a call; larger matrices are not tried where a product of them would take longer."""
FORMAT = 2

Seconds = Callable[[Callable[[], Any]], float]
"""The seconds per call of a function on the device."""


def run_ceilings(device: str) -> tuple[Ceilings, ...]:
    """The ceilings of a device, from the cache if it has them: of a CPU with all cores, and with one thread.

    Contended ceilings are not cached.
    """
    counts = sorted({machine.usable_cpus(), 1}, reverse=True) if device == "cpu" else [machine.usable_cpus()]
    return tuple(_ceilings(device, count) for count in counts)


def ceilings_summary(rows: Sequence[Ceilings]) -> str:
    """The limits with all cores, for a line of progress."""
    best = rows[0]
    speeds = ", ".join(f"{text.count(flops)}FLOP/s in {dtype}" for dtype, flops in best.flops.items())
    memory = f"memory at {text.count(best.memory[-1].speed)}B/s"
    doubt = f"; {BESIDE_OTHER_WORK}" if any(row.contended for row in rows) else ""
    return f"{speeds}; {memory}; {text.seconds(best.operator)} for an operator{doubt}"


def _ceilings(device: str, cores: int) -> Ceilings:
    with threads(cores):
        path = _path(device)
        known = _read(path) if path else None
        if known is None:
            known = measured(device)
            if path and not known.contended:
                with contextlib.suppress(OSError), draft(path) as unfinished:
                    unfinished.write_text(json.dumps(asdict(known)))
        return known


def measured(device: str, seconds: Seconds | None = None) -> Ceilings:
    """The ceilings of a device with torch's present number of threads, measured now; ``seconds`` measures a function.

    A dtype that the device cannot compute in has no ceiling.
    """
    timed = seconds or (lambda fn: measure(fn, device, max_time=SECONDS).median)
    kind = device.partition(":")[0]
    accelerator = ACCELERATORS.get(kind)
    dtypes = (*DTYPES, "tf32") if accelerator and accelerator.has_tf32 else DTYPES
    watch = ContentionWatch()
    with precision.preserved():
        flops = {dtype: peak for dtype in dtypes if (peak := _product(device, dtype, timed))}
        precision.Guard.ensure(precision.settings_for("fp32"))
        moved = {size: _streams(device, size, timed) for size in FOOTPRINTS}
        return Ceilings(
            device=kind,
            device_model=find(device).model(),
            threads=torch.get_num_threads(),
            flops=flops,
            copies=tuple(MemorySpeed(size, speeds[0]) for size, speeds in moved.items()),
            streams=tuple(MemorySpeed(size, max(speeds)) for size, speeds in moved.items()),
            operator=_operator(device, timed, training=False),
            training_operator=_operator(device, timed, training=True),
            launch=_launch(device, timed) if accelerator and accelerator.has_graphs else None,
            link=_link(device, timed) if accelerator else None,
            contended=watch.contended(torch.get_num_threads()),
        )


def _product(device: str, dtype: str, seconds: Seconds) -> float | None:
    """FLOP/s of the fastest product of two square matrices; ``None`` if the device cannot compute in the dtype."""
    stored = precision.HALF.get(dtype, torch.float32)
    precision.Guard.ensure(precision.settings_for(dtype))
    sides = CPU_SIDES if device == "cpu" else GPU_SIDES
    best = 0.0
    try:
        with machine_limits_are_skips():
            for side in sides:
                work = 2.0 * side**3
                if best and work / best > LONGEST:
                    break
                factors = torch.randn(2, side, side).to(device, stored)
                best = max(best, work / seconds(partial(inferred_product, *factors)))
    except CaseSkipped:
        return None
    return best


def inferred_product(left: Tensor, right: Tensor) -> Tensor:
    """The product whose speed is the ceiling of arithmetic."""
    with torch.inference_mode():
        return torch.mm(left, right)


def _streams(device: str, size: int, seconds: Seconds) -> tuple[float, float, float]:
    """Bytes read and written per second by operators that touch ``size`` bytes: a copy, a product and a sum in place.

    They are copy, scale and add of J. D. McCalpin's STREAM (1995). Those in place are faster on many CPUs, which read
    the target of a copy before they overwrite it.
    """
    every = torch.zeros(size // 4, device=device)
    source, target = every.chunk(2)
    return (
        size / seconds(lambda: target.copy_(source)),
        2 * size / seconds(lambda: every.mul_(1.0)),
        1.5 * size / seconds(lambda: target.add_(source)),
    )


def _operator(device: str, seconds: Seconds, *, training: bool) -> float:
    """Seconds for an operator that has next to nothing to compute: the longest part is to issue it."""
    weight = torch.ones(1, device=device, requires_grad=training)

    def chain() -> None:
        value = weight
        for _ in range(CHAIN):
            value = value * weight
        if training:
            weight.grad = None
            value.backward()  # type: ignore[no-untyped-call]

    return seconds(chain) / count(chain).counts.operators


def _launch(device: str, seconds: Seconds) -> float:
    """Seconds for such an operator on the device alone: a chain of them, launched as one CUDA graph."""
    values = torch.ones(1, device=device)

    def chain() -> None:
        for _ in range(CHAIN):
            values.mul_(1.0)

    return seconds(capture(chain, torch.device(device)).replay) / CHAIN


def _link(device: str, seconds: Seconds) -> float:
    """Bytes per second of a large copy from the host's memory, pinned where there is such memory."""
    source = torch.zeros(LINK // 4, pin_memory=device.startswith("cuda"))
    target = source.to(device)
    return LINK / seconds(lambda: target.copy_(source, non_blocking=True))


def _path(device: str) -> Path | None:
    """The file of the cache; its name has all that the ceilings depend on. ``None`` without a cache folder."""
    here = machine.fingerprint()
    parts = (FORMAT, device, torch.get_num_threads(), here.hardware, here.cpu_capability, here.software, here.waiting)
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]
    try:
        return cache_dir() / "ceilings" / f"{key}.json"
    except RuntimeError:  # there is no home directory
        return None


def _read(path: Path) -> Ceilings | None:
    """The stored ceilings; ``None`` if there is no file, or a damaged one."""
    try:
        return as_dataclass(Ceilings, json.loads(path.read_text()))[0]
    except (OSError, ValueError, RecordError):
        return None
