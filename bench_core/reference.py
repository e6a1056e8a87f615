"""The float64 reference of a case: the same workload built in float64 on the CPU and called once, kept on disk."""

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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core import workloads
from bench_core.agreement import FirstCall, ParityError, modes, relative_error
from bench_core.build import BuildContext
from bench_core.datasets import cache_dir
from bench_core.spec import Case, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_FLOPS = 1.3e11
"""A case of more FLOPs is held against the reference at a smaller batch: in float64 it would take minutes."""
ROUNDINGS = ((1e9, (8, 12, 16)), (5e9, (8, 16)), (math.inf, (16,)))
"""Bits of significand to which weights and inputs are rounded to see how the work reacts, by its FLOPs. Work that costs
little is rounded often: a single number, such as a loss, may by luck hardly move under one rounding."""
_ACTIVATIONS = ("threshold_backward", "leaky_relu_backward", "max_pool2d_with_indices_backward", "sgn")
JUMPING = frozenset((*_ACTIVATIONS, "eq", "ge", "gt", "le", "lt"))
"""Operations of backward passes that jump at a point: rounding may put an input on its other side. Comparisons are in
those of maxima and of clamping."""
_FORMAT = 3


@dataclass(frozen=True)
class Reference:
    """What a first call gives in float64, by quantity; whether modules were in training mode; at how many numbers
    gradients jump as they come back through ReLUs, maxima and the like (``jumps``); and how far each quantity
    ``moved``, relative to its norm, when weights and inputs were rounded to so many ``bits``."""

    values: Mapping[str, NDArray[np.float64]]
    modes: tuple[bool, ...]
    jumps: int
    bits: tuple[int, ...]
    moved: Mapping[str, tuple[float, ...]]

    def sensitivity(self, quantity: str, unit: float) -> float:
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

    def jump(self, quantity: str, unit: float) -> float:
        """How far the jumps that a unit roundoff brings about move a quantity: those of at least one, though only a
        part of one were to be expected; 0 where there is hardly one in a thousand such works."""
        expected, coarse = self.jumps * unit, self.jumps * 2.0 ** -self.bits[0]
        if expected < 1e-3:
            return 0.0
        return self.moved[quantity][0] * math.sqrt(max(expected, 1.0) / max(coarse, 1.0))


def reference(case: Case, data_dir: Path | None = None) -> Reference:
    """The reference of a case's workload, setting, batch and seed; from the disk if it was computed before.

    Raises ``ParityError`` if the workload computes in half precision even when float64 is asked for.
    """
    plain = Case(case.workload, batch_size=case.batch_size, setting=case.setting, seed=case.seed)
    path = _path(plain, data_dir)
    if path is not None and (stored := _read(path)):
        return stored
    made = _computed(plain, data_dir)
    if path is not None:
        _write(path, made)
    return made


def affordable_batch(case: Case, step: Step) -> int:
    """The batch size to hold a case against float64 at: its own, or the largest of its sweep that is cheap enough."""
    if not step.flops or step.flops <= MOST_FLOPS:
        return case.batch_size
    most = case.batch_size * MOST_FLOPS / step.flops
    swept = workloads.get(case.workload).batch_sizes("cpu", "full")
    return max((batch for batch in swept if batch <= most), default=1)


def _computed(case: Case, data_dir: Path | None) -> Reference:
    exact = _called(case, data_dir, None)
    bits = next(bits for most, bits in ROUNDINGS if exact.flops <= most)
    rounded = [_called(case, data_dir, count).values for count in bits]
    moved = {name: tuple(relative_error(r[name], values) for r in rounded) for name, values in exact.values.items()}
    return Reference(exact.values, exact.modes, exact.jumps, bits, moved)


class _Call(NamedTuple):
    values: dict[str, NDArray[np.float64]]
    modes: tuple[bool, ...]
    jumps: int
    flops: int


def _called(case: Case, data_dir: Path | None, bits: int | None) -> _Call:
    # Not by workloads.build: what is refused on a CPU, as it needs a GPU to be of use, has its reference there too.
    context = BuildContext(workloads.settled(case), torch.float64, data_dir, significand=bits, most_batches=1)
    step = workloads.get(case.workload).build(context)
    first = FirstCall(step)
    operations = _Operations(case)
    with operations if bits is None else contextlib.nullcontext():
        output = step()
    return _Call(first.seen(output), modes(step), operations.jumps, step.flops or 0)


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


def _path(case: Case, data_dir: Path | None) -> Path | None:
    """Where the reference is kept; the name holds all that it depends on."""
    parts: list[Any] = [_FORMAT, torch.__version__, np.__version__, replace(case, workload="")]
    parts += [Path(str(module.__file__)).read_text() for module in _modules(case.workload)]
    if data_dir:
        files = sorted(path for path in data_dir.rglob("*") if path.is_file())
        parts += [(str(path.relative_to(data_dir)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]
    try:
        return cache_dir() / "references" / f"{case.workload}-{key}.npz"
    except RuntimeError:  # there is no home directory
        return None


def _modules(name: str) -> list[ModuleType]:
    """The modules of ours whose source decides what a workload computes, by name."""
    found: dict[str, ModuleType] = {}
    own = workloads.get(name).build.__module__
    ahead = [own, "bench_core.build", "bench_core.datasets"]
    while ahead:
        module = sys.modules[ahead.pop()]
        if module.__name__ not in found and (module.__name__ == own or module.__name__.startswith("bench_core.")):
            found[module.__name__] = module
            if module.__name__.startswith(f"{workloads.__name__}."):
                ahead += [name for value in vars(module).values() if (name := _home(value)) in sys.modules]
    return [found[name] for name in sorted(found)]


def _home(value: Any) -> str:
    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))


def _read(path: Path) -> Reference | None:
    """What is kept there; nothing where there is no file, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["names"]]
            values = {name: stored[f"value {name}"] for name in names}
            moved = {name: tuple(map(float, row)) for name, row in zip(names, stored["moved"], strict=True)}
            bits, modes = tuple(map(int, stored["bits"])), tuple(map(bool, stored["modes"]))
            return Reference(values, modes, int(stored["jumps"]), bits, moved)
    except Exception:  # np.load raises nearly anything for a file cut short
        return None


def _write(path: Path, made: Reference) -> None:
    """Keep it; renamed into place whole. Where that cannot be, it is computed again next time."""
    names = list(made.values)
    arrays: dict[str, Any] = {f"value {name}": value for name, value in made.values.items()}
    arrays |= {"names": np.array(names), "modes": np.array(made.modes, dtype=bool), "jumps": np.array(made.jumps)}
    arrays |= {"bits": np.array(made.bits), "moved": np.array([made.moved[name] for name in names])}
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
