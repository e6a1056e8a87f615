"""The ceilings of a device, measured: its fastest matrix product, its copies, the cost of an operator.

They are measured once for a fingerprint of the machine, and kept in the cache folder.
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

from bench_core.core.cache import cache_dir, draft
from bench_core.core.ceilings import Ceilings, CopySpeed
from bench_core.core.errors import CaseSkipped, RecordError
from bench_core.core.results import Machine
from bench_core.core.schema import as_dataclass
from bench_core.execution.counting import count
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import precision
from bench_core.timing.sampling import measure

SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
"""Sides of the matrices by device type; every accelerator has those of cuda."""
COPIES = tuple(2**power for power in range(15, 31, 3))
"""Bytes that a copy touches, from the first cache to well beyond the last one."""
CHAIN = 64
"""Operators in a chain, each of which takes the output of the one before."""
SECONDS = 0.5
"""Of samples for each figure."""
LONGEST = 0.5
"""Seconds of a call; larger matrices are not tried where a product of them would take longer."""
FORMAT = 1

Seconds = Callable[[Callable[[], Any]], float]
"""The seconds per call of a function on the device."""


def ceilings(device: str, dtypes: Sequence[str], machine: Machine) -> Ceilings:
    """The ceilings of a device for these dtypes, from the cache if it has them.

    The number of threads is torch's present one. A dtype that the device cannot compute in has no ceiling.
    """
    path = _path(device, dtypes, machine)
    known = _read(path) if path else None
    if known is None:
        known = measured(device, dtypes)
        if path:
            with contextlib.suppress(OSError), draft(path) as unfinished:
                unfinished.write_text(json.dumps(asdict(known)))
    return known


def measured(device: str, dtypes: Sequence[str], seconds: Seconds | None = None) -> Ceilings:
    """The ceilings of a device, measured now; ``seconds`` measures a function."""
    timed = seconds or (lambda fn: measure(fn, device, max_time=SECONDS).median)
    kind = device.partition(":")[0]
    sides = SIZES["cpu" if kind == "cpu" else "cuda"]
    with precision.preserved():
        flops = {dtype: peak for dtype in dtypes if (peak := _product(device, dtype, sides, timed))}
        precision.Guard.ensure(precision.settings_for("fp32"))
        return Ceilings(
            device=kind,
            threads=torch.get_num_threads(),
            flops=flops,
            copies=tuple(CopySpeed(size, _copy(device, size, timed)) for size in COPIES),
            operator=_operator(device, timed, training=False),
            training_operator=_operator(device, timed, training=True),
        )


def _product(device: str, dtype: str, sides: Sequence[int], seconds: Seconds) -> float | None:
    """FLOP/s of the fastest product of two square matrices; ``None`` if the device cannot compute in the dtype."""
    stored = precision.HALF.get(dtype, torch.float32)
    precision.Guard.ensure(precision.settings_for(dtype))
    best = 0.0
    try:
        with machine_limits_are_skips():
            for side in sides:
                work = 2.0 * side**3
                if best and work / best > LONGEST:
                    break
                factors = torch.randn(2, side, side).to(device, stored)
                best = max(best, work / seconds(partial(_inferred_product, *factors)))
    except CaseSkipped:
        return None
    return best


def _inferred_product(left: Tensor, right: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.mm(left, right)


def _copy(device: str, size: int, seconds: Seconds) -> float:
    """Bytes read and written per second by a copy that touches ``size`` bytes, half of them its source."""
    source = torch.zeros(size // 8, device=device)
    target = torch.zeros_like(source)
    return size / seconds(lambda: target.copy_(source))


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

    return seconds(chain) / count(chain).operators


def _path(device: str, dtypes: Sequence[str], machine: Machine) -> Path | None:
    """The file of the cache; its name has all that the ceilings depend on. ``None`` without a cache folder."""
    parts = (FORMAT, device, *dtypes, torch.get_num_threads(), machine.hardware, machine.software, machine.waiting)
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
