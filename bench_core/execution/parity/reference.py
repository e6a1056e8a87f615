"""The float64 reference of a case: the same workload built in float64 on the CPU and called once, cached on disk."""

from __future__ import annotations

import contextlib
import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core.core.cache import cache_dir, draft
from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.core.errors import ParityError
from bench_core.execution.parity.capture import FirstCall, Quantity, QuantityKind, Values, modes, relative_error
from bench_core.execution.parity.sums import NO_SUMS, Sums
from bench_core.execution.parity.updates import description
from bench_core.workloads.kit.building import build_anywhere
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.weights import find_weights

ROUNDINGS = ((1e9, (8, 12, 16)), (5e9, (8, 16)), (math.inf, (16,)))
"""Upper limits of FLOPs, each with the significand bits to which weights and inputs are rounded to measure how
sensitive the work is. Cheap work is rounded several times: a single number, such as a loss, may by chance hardly change
under one rounding."""
_ACTIVATIONS = ("threshold_backward", "leaky_relu_backward", "max_pool2d_with_indices_backward", "sgn")
JUMPING = frozenset((*_ACTIVATIONS, "eq", "ge", "gt", "le", "lt"))
"""Operations of backward passes that are discontinuous at a point: rounding may move an input to its other side. The
backward passes of maxima and of clamping use the comparisons."""
_FORMAT = 6
REPLAY_ERROR = 1e-9
"""An update of the reference follows from its gradients if its optimizer, built again, is off by no more than this."""
_DECIDING = ("bench_core.workloads.", "bench_core.hardware.")


@dataclass(frozen=True)
class Reference:
    """The results of a first call in float64, by quantity (``values``), and what decides their tolerances.

    ``modes`` says which modules were in training mode. ``jumps`` counts the inputs of ReLUs, maxima and the like at
    which a gradient can jump on its way back. ``moved`` is the change of each quantity, relative to its norm, when
    weights and inputs are rounded to each number of ``bits``. ``sums`` has the longest sums of the call.
    ``optimizers`` describes the optimizer of each name. ``replayed`` has the updates that follow from the gradients by
    one step of the optimizer: the norm of the weights, relative to that of the update.
    """

    values: Values
    modes: tuple[bool, ...]
    jumps: int
    bits: tuple[int, ...]
    moved: Mapping[Quantity, tuple[float, ...]]
    sums: Sums = NO_SUMS
    optimizers: Mapping[str, str] = field(default_factory=dict)
    replayed: Mapping[Quantity, float] = field(default_factory=dict)

    def sensitivity(self, quantity: Quantity, unit: float) -> float:
        """The relative change of a quantity when weights and inputs are rounded to a unit roundoff.

        The results of smooth work change in proportion to the unit roundoff; where ReLUs or maxima jump, in proportion
        to its square root. The exponent is estimated from the coarsest and the finest rounding; if there is only one
        rounding, it is 1 for smooth work and 1/2 for other work.
        """
        moved = self.moved[quantity]
        power = 0.5 if self.jumps else 1.0
        if len(moved) > 1 and moved[0] and moved[-1]:
            power = math.log(moved[0] / moved[-1]) / math.log(2.0 ** (self.bits[-1] - self.bits[0]))
            power = min(1.0, max(0.5, power))
        return max(far * math.pow(unit * 2.0**bits, power) for bits, far in zip(self.bits, moved, strict=True))

    def jump(self, quantity: Quantity, unit: float) -> float:
        """The relative change of a quantity by the jumps that a unit roundoff causes.

        At least one jump is assumed, even if fewer are expected; 0 if fewer than 0.001 jumps are expected.
        """
        expected, coarse = self.jumps * unit, self.jumps * 2.0 ** -self.bits[0]
        if expected < 1e-3:
            return 0.0
        return self.moved[quantity][0] * math.sqrt(max(expected, 1.0) / max(coarse, 1.0))

    def after(self, replayed: Values) -> Reference:
        """The reference of a call that was made: its updates are those that follow from the gradients of this call."""
        return replace(
            self, values={q: replayed.get(q, v) if q in self.replayed else v for q, v in self.values.items()}
        )


def reference(workload: Workload, case: Case, sources: Sources = NO_SOURCES) -> Reference:
    """The reference for a case's setting, batch, seed and ranks; read from the disk if it was computed before.

    Raises ``ParityError`` if the workload computes in half precision even when float64 is requested.
    """
    plain = Case(case.workload, batch_size=case.batch_size, setting=case.setting, seed=case.seed, ranks=case.ranks)
    path = _path(workload, plain, sources)
    if path is not None and (stored := _read(path)):
        return stored
    computed = _computed(workload, plain, sources)
    if path is not None:
        _write(path, computed)
    return computed


def _computed(workload: Workload, case: Case, sources: Sources) -> Reference:
    exact = _called(workload, case, sources, None)
    bits = next(bits for most, bits in ROUNDINGS if exact.flops <= most)
    rounded = [_called(workload, case, sources, count).values for count in bits]
    moved = {q: tuple(relative_error(r[q], values) for r in rounded) for q, values in exact.values.items()}
    return Reference(exact.values, exact.modes, exact.jumps, bits, moved, exact.sums, exact.optimizers, exact.replayed)


class _Call(NamedTuple):
    values: Values
    modes: tuple[bool, ...]
    jumps: int
    flops: int
    sums: Sums
    optimizers: Mapping[str, str]
    replayed: Mapping[Quantity, float]


def _called(workload: Workload, case: Case, sources: Sources, bits: int | None) -> _Call:
    # build_anywhere: the reference of a case for GPUs only is computed on the CPU too.
    step = build_anywhere(workload, case, storage=torch.float64, sources=sources, significand=bits, max_batches=1)
    first = FirstCall(step)
    operations = _Operations(case)
    with operations if bits is None else contextlib.nullcontext():
        output = step()
    values = first.values(output)
    optimizers = {name: description(optimizer) for name, optimizer in step.optimizers.items()}
    replayed = {
        quantity: float(np.linalg.norm(first.weights(quantity.module)) / np.linalg.norm(values[quantity]))
        for quantity, update in first.replayed().items()
        if update.any() and relative_error(update, values[quantity]) < REPLAY_ERROR
    }
    return _Call(values, modes(step), operations.jumps, step.flops or 0, operations.sums, optimizers, replayed)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the operations of a call: counts the numbers at which gradients can jump, and finds the longest sums.

    Raises ``ParityError`` for results in half precision: if float64 is requested, a workload must compute in it.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._case = case
        self.jumps = 0
        self.sums = NO_SUMS

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch need not keep its compiler away: to do so it would import it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.sums = self.sums.with_operation(func.overloadpacket.__name__, args)
        if isinstance(output, torch.Tensor) and func.overloadpacket.__name__ in JUMPING:
            self.jumps += output.numel()
        if isinstance(output, torch.Tensor) and output.dtype in (torch.float16, torch.bfloat16):
            raise ParityError(f"{self._case.workload}: computes in {output.dtype} ({func}) whatever dtype is requested")
        return output


def _path(workload: Workload, case: Case, sources: Sources) -> Path | None:
    """The reference's file; its name contains a hash of everything that the reference depends on. ``None`` without a
    cache folder."""
    parts: list[Any] = [_FORMAT, torch.__version__, np.__version__, replace(case, workload="")]
    parts += [Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules_of(workload)]
    if folder := sources.data:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        parts += [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    if file := find_weights(sources.weights, workload.weights):
        parts.append((file.name, file.stat().st_size, file.stat().st_mtime_ns))
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:20]
    try:
        return cache_dir() / "references" / f"{case.workload}-{key}.npz"
    except RuntimeError:  # there is no home directory
        return None


def modules_of(workload: Workload) -> list[ModuleType]:
    """The modules whose source determines what a workload computes, sorted by name: its own, and the modules of
    ``workloads`` and ``hardware`` that it uses, directly or through others."""
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
    """The stored reference; ``None`` if there is no file, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            pairs = zip(stored["kinds"], stored["modules"], strict=True)
            quantities = [Quantity(QuantityKind(str(kind)), str(module)) for kind, module in pairs]
            values = {quantity: stored[f"value {i}"] for i, quantity in enumerate(quantities)}
            moved = {q: tuple(map(float, row)) for q, row in zip(quantities, stored["moved"], strict=True)}
            replayed = {q: float(ratio) for q, ratio in zip(quantities, stored["replayed"], strict=True) if ratio}
            optimizers = {str(name): str(words) for name, words in stored["optimizers"]}
            return Reference(
                values,
                modes=tuple(map(bool, stored["modes"])),
                jumps=int(stored["jumps"]),
                bits=tuple(map(int, stored["bits"])),
                moved=moved,
                sums=Sums(int(stored["products"]), float(stored["norms"])),
                optimizers=optimizers,
                replayed=replayed,
            )
    except Exception:  # np.load raises almost any exception for a truncated file
        return None


def _write(path: Path, computed: Reference) -> None:
    """Store a reference by renaming a complete file. If that is not possible, it is computed again next time."""
    quantities = list(computed.values)
    arrays: dict[str, Any] = {f"value {i}": computed.values[quantity] for i, quantity in enumerate(quantities)}
    arrays |= {
        "kinds": np.array([str(q.kind) for q in quantities]),
        "modules": np.array([q.module for q in quantities]),
    }
    arrays |= {"modes": np.array(computed.modes, dtype=bool), "jumps": np.array(computed.jumps)}
    arrays |= {"bits": np.array(computed.bits), "moved": np.array([computed.moved[q] for q in quantities])}
    arrays |= {"replayed": np.array([computed.replayed.get(q, 0.0) for q in quantities])}
    arrays |= {"optimizers": np.array(list(computed.optimizers.items()), dtype=str).reshape(-1, 2)}
    arrays |= {"products": np.array(computed.sums.products), "norms": np.array(computed.sums.norms)}
    with contextlib.suppress(OSError), draft(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
