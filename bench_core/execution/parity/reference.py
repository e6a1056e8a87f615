"""The float64 reference of a case: the same workload built in float64 on the CPU and called once, cached on disk."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core.core.case import Case
from bench_core.core.errors import ParityError
from bench_core.execution.parity.capture import FirstCall, Quantity, QuantityKind, Values, modes, relative_error
from bench_core.workloads.data.cache import cache_dir
from bench_core.workloads.kit.building import build_anywhere
from bench_core.workloads.kit.definition import Workload

ROUNDINGS = ((1e9, (8, 12, 16)), (5e9, (8, 16)), (math.inf, (16,)))
"""Bits of significand to which weights and inputs are rounded to see how the work reacts, by its FLOPs. Work that costs
little is rounded often: a single number, such as a loss, may by luck hardly move under one rounding."""
_ACTIVATIONS = ("threshold_backward", "leaky_relu_backward", "max_pool2d_with_indices_backward", "sgn")
JUMPING = frozenset((*_ACTIVATIONS, "eq", "ge", "gt", "le", "lt"))
"""Operations of backward passes that jump at a point: rounding may put an input on its other side. Comparisons are in
those of maxima and of clamping."""
_FORMAT = 4
_DECIDING = ("bench_core.workloads.", "bench_core.hardware.")


@dataclass(frozen=True)
class Reference:
    """What a first call gives in float64, by quantity; whether modules were in training mode; at how many numbers
    gradients jump as they come back through ReLUs, maxima and the like (``jumps``); and how far each quantity
    ``moved``, relative to its norm, when weights and inputs were rounded to so many ``bits``."""

    values: Values
    modes: tuple[bool, ...]
    jumps: int
    bits: tuple[int, ...]
    moved: Mapping[Quantity, tuple[float, ...]]

    def sensitivity(self, quantity: Quantity, unit: float) -> float:
        """How far a quantity moves when weights and inputs are rounded to a unit roundoff.

        Smooth work moves in proportion to the rounding; where ReLUs or maxima jump, by its square root. The power is
        that between the coarsest and the finest rounding; of only one, that of such work.
        """
        moved = self.moved[quantity]
        power = 0.5 if self.jumps else 1.0
        if len(moved) > 1 and moved[0] and moved[-1]:
            power = math.log(moved[0] / moved[-1]) / math.log(2.0 ** (self.bits[-1] - self.bits[0]))
            power = min(1.0, max(0.5, power))
        return max(far * math.pow(unit * 2.0**bits, power) for bits, far in zip(self.bits, moved, strict=True))

    def jump(self, quantity: Quantity, unit: float) -> float:
        """How far the jumps that a unit roundoff brings about move a quantity: those of at least one, though only a
        part of one were to be expected; 0 where there is hardly one in a thousand such works."""
        expected, coarse = self.jumps * unit, self.jumps * 2.0 ** -self.bits[0]
        if expected < 1e-3:
            return 0.0
        return self.moved[quantity][0] * math.sqrt(max(expected, 1.0) / max(coarse, 1.0))


def reference(workload: Workload, case: Case, data_dir: Path | None = None) -> Reference:
    """The reference of a case's setting, batch and seed; from the disk if it was computed before.

    Raises ``ParityError`` if the workload computes in half precision even when float64 is asked for.
    """
    plain = Case(case.workload, batch_size=case.batch_size, setting=case.setting, seed=case.seed)
    path = _path(workload, plain, data_dir)
    if path is not None and (stored := _read(path)):
        return stored
    made = _computed(workload, plain, data_dir)
    if path is not None:
        _write(path, made)
    return made


def _computed(workload: Workload, case: Case, data_dir: Path | None) -> Reference:
    exact = _called(workload, case, data_dir, None)
    bits = next(bits for most, bits in ROUNDINGS if exact.flops <= most)
    rounded = [_called(workload, case, data_dir, count).values for count in bits]
    moved = {q: tuple(relative_error(r[q], values) for r in rounded) for q, values in exact.values.items()}
    return Reference(exact.values, exact.modes, exact.jumps, bits, moved)


class _Call(NamedTuple):
    values: Values
    modes: tuple[bool, ...]
    jumps: int
    flops: int


def _called(workload: Workload, case: Case, data_dir: Path | None, bits: int | None) -> _Call:
    # Built anywhere: a case that makes sense on a GPU only has its reference on the CPU too.
    step = build_anywhere(workload, case, storage=torch.float64, data_dir=data_dir, significand=bits, max_batches=1)
    first = FirstCall(step)
    operations = _Operations(case)
    with operations if bits is None else contextlib.nullcontext():
        output = step()
    return _Call(first.values(output), modes(step), operations.jumps, step.flops or 0)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the operations of a call: at how many numbers do gradients jump?

    Refuses results of half precision: asked for float64, a workload must not compute in less.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._case = case
        self.jumps = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and func.overloadpacket.__name__ in JUMPING:
            self.jumps += made.numel()
        if isinstance(made, torch.Tensor) and made.dtype in (torch.float16, torch.bfloat16):
            raise ParityError(f"{self._case.workload}: computes in {made.dtype} ({func}) whatever dtype is asked for")
        return made


def _path(workload: Workload, case: Case, data_dir: Path | None) -> Path | None:
    """Where the reference is kept; the name holds all that it depends on."""
    parts: list[Any] = [_FORMAT, torch.__version__, np.__version__, replace(case, workload="")]
    parts += [Path(str(module.__file__)).read_text() for module in modules_of(workload)]
    if data_dir:
        files = sorted(path for path in data_dir.rglob("*") if path.is_file())
        parts += [(str(path.relative_to(data_dir)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]
    try:
        return cache_dir() / "references" / f"{case.workload}-{key}.npz"
    except RuntimeError:  # there is no home directory
        return None


def modules_of(workload: Workload) -> list[ModuleType]:
    """The modules whose source decides what a workload computes, by name: its own, and those of workloads and hardware
    that it uses, directly or through others."""
    modules: dict[str, ModuleType] = {}
    own = workload.build.__module__
    ahead = [own]
    while ahead:
        module = sys.modules[ahead.pop()]
        if module.__name__ not in modules and (module.__name__ == own or module.__name__.startswith(_DECIDING)):
            modules[module.__name__] = module
            ahead += [name for value in vars(module).values() if (name := _home(value)) in sys.modules]
    return [modules[name] for name in sorted(modules)]


def _home(value: Any) -> str:
    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))


def _read(path: Path) -> Reference | None:
    """What is kept there; nothing where there is no file, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            pairs = zip(stored["kinds"], stored["modules"], strict=True)
            quantities = [Quantity(QuantityKind(str(kind)), str(module)) for kind, module in pairs]
            values = {quantity: stored[f"value {i}"] for i, quantity in enumerate(quantities)}
            moved = {q: tuple(map(float, row)) for q, row in zip(quantities, stored["moved"], strict=True)}
            bits, modes = tuple(map(int, stored["bits"])), tuple(map(bool, stored["modes"]))
            return Reference(values, modes, int(stored["jumps"]), bits, moved)
    except Exception:  # np.load raises nearly anything for a file cut short
        return None


def _write(path: Path, made: Reference) -> None:
    """Keep it; renamed into place whole. Where that cannot be, it is computed again next time."""
    quantities = list(made.values)
    arrays: dict[str, Any] = {f"value {i}": made.values[quantity] for i, quantity in enumerate(quantities)}
    arrays |= {
        "kinds": np.array([str(q.kind) for q in quantities]),
        "modules": np.array([q.module for q in quantities]),
    }
    arrays |= {"modes": np.array(made.modes, dtype=bool), "jumps": np.array(made.jumps)}
    arrays |= {"bits": np.array(made.bits), "moved": np.array([made.moved[quantity] for quantity in quantities])}
    with contextlib.suppress(OSError), _draft(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
