"""The means to build a workload: seeded models and inputs, cast and moved to the device; feeds; the step itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench_core.core.case import NO_SOURCES, SHARDED, Case, Sources
from bench_core.core.errors import CaseSkipped, DefinitionError
from bench_core.core.modes import Casting
from bench_core.core.step import Step
from bench_core.hardware import precision
from bench_core.hardware.device import find
from bench_core.hardware.ranks import ALONE, Ranks
from bench_core.workloads.kit import graphs
from bench_core.workloads.kit.compiling import compiled
from bench_core.workloads.kit.feeds import restorer, rotate
from bench_core.workloads.kit.team import Team
from bench_core.workloads.kit.tuning import tuned
from bench_core.workloads.kit.weights import find_weights, load_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_HOT_BATCHES = 8
"""Input batches of a case with hot caches, at most."""
RESIDENT_BYTES = 64 * 2**20
"""Device memory that the input batches of a case with hot caches may use, unless a single batch needs more."""
FP32_BYTES = 4
MAX_BATCHES = 4096
"""Input batches of a case with cold caches, at most."""


@dataclass(frozen=True)
class BuildContext:
    """The argument of a workload's build function: the case, and the means to create models and inputs for it.

    ``setting`` is the value that the workload declared for the case's setting. Weights and inputs are drawn once in
    float64 on the CPU from the case's seed, and then cast and moved. Random number generators differ by dtype and
    device; this way every device and dtype gets the same numbers. If ``significand`` is given, they are rounded to that
    many bits. ``casting`` says how the case computes in 16 bits, and ``storage`` is the dtype of all numbers that are
    not integers. With hot caches there are at most ``max_batches`` batches of inputs. With ``full_epochs``, a training
    that takes its rows from ``draw_rows`` repeats the whole data set, shuffled each time, and is never restored to its
    first state. ``sources`` is what the user brings, and ``weights`` the name of the weights that the workload takes of
    it. ``ranks`` is this process's place among those that work on the case together; by default it is alone.
    ``capture`` captures the work of the variant ``cuda_graph``.
    """

    case: Case
    setting: Any = None
    weights: str = ""
    casting: Casting | None = None
    storage: torch.dtype = torch.float32
    sources: Sources = NO_SOURCES
    significand: int | None = None
    max_batches: int = MAX_HOT_BATCHES
    full_epochs: bool = False
    ranks: Ranks = ALONE
    capture: graphs.Capture = graphs.capture
    rng: np.random.Generator = field(init=False)
    _rotated: list[int] = field(init=False)
    _static: list[graphs.StaticFeed] = field(init=False)
    _loaded: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rng", np.random.default_rng(self.case.seed))
        object.__setattr__(self, "_rotated", [])
        object.__setattr__(self, "_static", [])
        object.__setattr__(self, "_loaded", [])

    @property
    def device(self) -> torch.device:
        """The device of the case."""
        return torch.device(self.case.device)

    @property
    def batch_size(self) -> int:
        """The batch size of the case."""
        return self.case.batch_size

    @property
    def data_dir(self) -> Path | None:
        """The user's folder of real data sets; ``None`` means the suite's own."""
        return self.sources.data

    def model(self, make: Callable[[], nn.Module], *, train: bool) -> nn.Module:
        """A model with weights drawn in float64 from the seed, then cast and moved; in training or evaluation mode."""
        before = torch.get_default_dtype()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.case.seed)
            torch.set_default_dtype(torch.float64)
            try:
                model = make()
            finally:
                torch.set_default_dtype(before)
        model = model.to(device=self.device, dtype=self.storage).train(train)
        if self.significand is not None:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.copy_(self._rounded(weight))
        if "channels_last" in self.case.variant_parts:
            model = model.to(memory_format=torch.channels_last)
        return model

    def pretrained(self, make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        """``make`` for ``model``, but with the weights of the user, if there are any for this workload.

        They are the file of ``Sources.weights`` that has the workload's declared name: see ``weights.load_weights``.
        The step's ``data`` will name it. Raises ``DataError`` for a file that is damaged or does not fit.
        """
        if not self.weights:
            raise DefinitionError(f"workload {self.case.workload}: pretrained() needs the name of its weights declared")
        if self.sources.weights is None:
            return make
        path = find_weights(self.sources.weights, self.weights)
        if path is None:
            self._loaded.append("random weights")
            return make

        def loaded() -> nn.Module:
            model = make()
            self._loaded.append(load_weights(model, path))
            return model

        return loaded

    def tensor(self, array: ArrayLike) -> Tensor:
        """An array (floating: cast to the case's storage dtype; integer: int64) on the case's device."""
        source = torch.as_tensor(np.asarray(array))
        dtype = self.storage if source.is_floating_point() else torch.int64
        # Without contiguous(), a transposed photo (height, width, channel) would be channels_last in every variant.
        tensor = self._rounded(source.to(device=self.device, dtype=dtype).contiguous())
        if "channels_last" in self.case.variant_parts and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def _rounded(self, tensor: Tensor) -> Tensor:
        if self.significand is None or not tensor.is_floating_point():
            return tensor
        mantissa, exponent = torch.frexp(tensor)
        scale = 2.0**self.significand
        return torch.ldexp(torch.round(mantissa * scale) / scale, exponent)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers of a shape, drawn in float64 from the case's seed."""
        return self.tensor(self.rng.standard_normal(shape))

    def draw_rows(self, population: int, row_bytes: int) -> list[NDArray[np.intp]]:
        """Row numbers for a few batches, drawn from a data set without replacement, and repeated if it is too small.

        With ``full_epochs``, every row once; the last batch may be smaller.
        """
        if self.full_epochs:
            return np.split(self.rng.permutation(population), range(self.batch_size, population, self.batch_size))
        count = self.resident_batches(self.batch_size * row_bytes)
        rows = np.resize(self.rng.permutation(population), (count, self.batch_size))
        return list(rows)

    def resident_batches(self, batch_bytes: int) -> int:
        """How many input batches of this size to keep on the device and rotate over.

        ``batch_bytes`` is the size in fp32; where numbers are stored in 16 bits, a batch counts as half of it.
        With hot caches, one to ``max_batches``. With cold caches, so many that together they exceed twice the
        last-level cache, so that each batch has left the cache when it is used again. Raises ``CaseSkipped`` if that
        would be more than ``MAX_BATCHES``.
        """
        batch_bytes = max(1, batch_bytes * min(self.storage.itemsize, FP32_BYTES) // FP32_BYTES)
        self._rotated.append(batch_bytes)
        if self.case.caches == "hot":
            return max(1, min(self.max_batches, RESIDENT_BYTES // batch_bytes))
        cache = find(self.case.device).cache_bytes()
        count = 2 * cache // batch_bytes + 2
        if count > MAX_BATCHES:
            raise CaseSkipped(
                f"cold caches: {count} batches of {batch_bytes} bytes would be needed to exceed twice the cache "
                f"({cache / 2**20:.0f} MiB), more than {MAX_BATCHES}; take a larger batch"
            )
        return count

    resident = resident_batches  # its name for workloads written for bench-core 0.1

    def feed(self, batches: Sequence[Any], restore: Callable[[], None] | None = None) -> Iterator[Any]:
        """The batches in turn (see ``rotate``); with ``cuda_graph``, each is copied into the same tensors."""
        turn = rotate(batches, restore)
        if "cuda_graph" not in self.case.variant_parts:
            return turn
        self._static.append(graphs.StaticFeed(turn))
        return self._static[-1]

    def forward(self, model: Callable[..., Any]) -> Callable[..., Any]:
        """The model as the variant calls it: compiled or unchanged."""
        return compiled(model, self.case.variant_parts) if "compile" in self.case.variant_parts else model

    @cached_property
    def team(self) -> Team:
        """Data parallelism over the ranks of the case."""
        return Team(self.ranks, self.device, self.case.ranks or 1, SHARDED in self.case.variant_parts)

    @cached_property
    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.casting is not Casting.AUTOCAST:
            return contextlib.nullcontext()
        return precision.autocast(self.case.dtype, self.device.type)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The autocast context of a case that runs under autocast; for others a context that does nothing.

        It is created once: creating it in each call takes microseconds.
        """
        return self._autocast

    def autocasted(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """``fn`` under autocast; ``fn`` itself for other cases: even an empty context slows down a short call."""
        context = self.autocast()
        return context(fn) if isinstance(context, torch.autocast) else fn

    def step(self, fn: Callable[[], Any], *, units: int, flops: int | None, data: str, **parts: Any) -> Step:
        """A step on the case's device; ``parts`` are further fields of ``Step``. ``data`` gets the weights' names.

        Raises ``CaseSkipped`` for cold caches if the number of input batches does not come from ``resident_batches``,
        for ``cuda_graph`` if the batches do not come from ``feed``, and for tunings of which the step has nothing to
        tune; ``DefinitionError`` for training with weights stored in 16 bits, which needs copies of them in fp32.
        """
        if self.casting is Casting.STORED and parts.get("optimizers"):
            raise DefinitionError(f"workload {self.case.workload}: it trains; declare casting=Casting.AUTOCAST")
        if self.case.caches == "cold" and not self._rotated:
            raise CaseSkipped(f"cold caches are not defined for {self.case.workload}: its inputs are not rotated")
        fn, parts = tuned(self.case.variant_parts, fn, parts)
        if "cuda_graph" in self.case.variant_parts:
            fn = self._replayed(fn, parts.get("modules", {}), parts.get("optimizers", {}))
        precision.Guard.ensure(precision.settings_for(self.case.dtype))
        # On a CPU, every dtype but ``default`` sets the backends to plain fp32: a guard would only cost time there.
        if self.device.type != "cpu":
            fn = precision.guarded(fn, self.case.dtype)
            stages = parts.get("stages", {})
            parts["stages"] = {name: precision.guarded(stage, self.case.dtype) for name, stage in stages.items()}
        data = "; ".join((data, *self._loaded))
        parts = {"local": self.team.local(fn)} | parts
        return Step(fn=fn, units=units, flops=flops, devices=(self.case.device,), data=data, **parts)

    def _replayed(
        self, fn: Callable[[], Any], modules: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> Callable[[], Any]:
        if len(self._static) != 1:
            raise CaseSkipped(
                f"cuda_graph is not defined for {self.case.workload}: it does not take one feed of batches"
            )
        models, learners = list(modules.values()), list(optimizers.values())
        keep = partial(restorer, models, learners)
        return graphs.Replayed(fn, self._static[0], keep, learners, self.device, self.capture)
