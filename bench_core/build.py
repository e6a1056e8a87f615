"""How a case becomes a step: seeds, casting, moving, and the loops that all training and inference steps share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from bench_core import graphs, precision
from bench_core.compiling import compiled
from bench_core.device import find
from bench_core.spec import Case, CaseSkipped, Step

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch.utils.flop_counter import FlopCounterMode

RESTORE_EVERY = 256
"""Training calls after which the weights and the optimizer go back to their first state, so that thousands of calls
stay the same work: no collapsed loss, no denormals."""
MOST_HOT_BATCHES = 8
RESIDENT_BYTES = 64 * 2**20
"""What the input batches of a case with hot caches may take up on its device, unless a single one takes more."""
MOST_BATCHES = 4096


@dataclass(frozen=True)
class BuildContext:
    """What a workload's build function is given: the case, and the means to make models and inputs for it.

    Weights and inputs are drawn once in float64 on the CPU from the case's seed and then cast and moved, since
    generators differ by dtype and device: every device and dtype gets the same numbers. With a ``significand`` they
    are rounded to so many bits. With hot caches there are at most ``most_batches`` of inputs. With ``whole``, a
    training that takes its rows from ``draw_rows`` goes through the whole data set again and again, shuffled each time,
    and is never put back to its first state. ``record`` records the work of the variant ``cuda_graph``.
    """

    case: Case
    storage: torch.dtype = torch.float32
    data_dir: Path | None = None
    significand: int | None = None
    most_batches: int = MOST_HOT_BATCHES
    whole: bool = False
    record: graphs.Recorder = graphs.cuda
    rng: np.random.Generator = field(init=False)
    _rotated: list[int] = field(init=False)
    _static: list[graphs.StaticFeed] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rng", np.random.default_rng(self.case.seed))
        object.__setattr__(self, "_rotated", [])
        object.__setattr__(self, "_static", [])

    @property
    def device(self) -> torch.device:
        """The device of the case."""
        return torch.device(self.case.device)

    @property
    def batch_size(self) -> int:
        """The batch size of the case."""
        return self.case.batch_size

    @property
    def variants(self) -> frozenset[str]:
        """The variant's parts: ``channels_last+compile`` has two."""
        return frozenset(self.case.variant.split("+"))

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
        if "channels_last" in self.variants:
            model = model.to(memory_format=torch.channels_last)
        return model

    def tensor(self, array: ArrayLike) -> Tensor:
        """An array (floating: cast to the case's storage dtype; integer: int64) on the case's device."""
        source = torch.as_tensor(np.asarray(array))
        dtype = self.storage if source.is_floating_point() else torch.int64
        # A transposed photo (height, width, channel) would otherwise stay channels_last under every variant.
        tensor = self._rounded(source.to(device=self.device, dtype=dtype).contiguous())
        if "channels_last" in self.variants and tensor.ndim == 4:
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
        """Row numbers of a few batches, drawn from a data set without replacement and repeated if it is too small.

        With ``whole``, every row once: the last batch may be smaller.
        """
        if self.whole:
            return np.split(self.rng.permutation(population), range(self.batch_size, population, self.batch_size))
        count = self.resident(self.batch_size * row_bytes)
        rows = np.resize(self.rng.permutation(population), (count, self.batch_size))
        return list(rows)

    def resident(self, batch_bytes: int) -> int:
        """How many input batches of this size to keep on the device and rotate over.

        With hot caches one to ``most_batches``; with cold ones as many as together exceed twice the last-level cache,
        so that each is gone from it when its turn comes again. Raises ``CaseSkipped`` where those would be too many to
        hold apart.
        """
        self._rotated.append(batch_bytes)
        if self.case.caches == "hot":
            return max(1, min(self.most_batches, RESIDENT_BYTES // batch_bytes))
        cache = find(self.case.device).cache_bytes()
        count = 2 * cache // batch_bytes + 2
        if count > MOST_BATCHES:
            raise CaseSkipped(
                f"cold caches: {count} batches of {batch_bytes} bytes would be needed to exceed twice the cache "
                f"({cache / 2**20:.0f} MiB), more than {MOST_BATCHES}; take a larger batch"
            )
        return count

    def feed(self, batches: Sequence[Any], restore: Callable[[], None] | None = None) -> Iterator[Any]:
        """The batches in turn (see ``rotate``); with ``cuda_graph`` each is copied into the same tensors."""
        turn = rotate(batches, restore)
        if "cuda_graph" not in self.variants:
            return turn
        self._static.append(graphs.StaticFeed(turn))
        return self._static[-1]

    def forward(self, model: Callable[..., Any]) -> Callable[..., Any]:
        """The model as the variant calls it: compiled or as it is."""
        return compiled(model) if "compile" in self.variants else model

    @cached_property
    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return precision.autocast(self.case.dtype, self.device.type)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The autocast context of the case's dtype, made once: in each call of a step it would take microseconds."""
        return self._autocast

    def autocasted(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """``fn`` under autocast; ``fn`` itself where the dtype has none, since a short call feels an empty context."""
        context = self.autocast()
        return context(fn) if isinstance(context, torch.autocast) else fn

    def step(self, fn: Callable[[], Any], *, units: int, flops: int | None, data: str, **parts: Any) -> Step:
        """A step on the case's device; ``parts`` are the further fields of ``Step``.

        Raises ``CaseSkipped`` for cold caches where the number of input batches was not taken from ``resident``, and
        for ``cuda_graph`` where the batches do not come from ``feed``.
        """
        if self.case.caches == "cold" and not self._rotated:
            raise CaseSkipped(f"cold caches are not defined for {self.case.workload}: its inputs are not rotated")
        if "cuda_graph" in self.variants:
            fn = self._replayed(fn, parts.get("modules", {}), parts.get("optimizers", {}))
        precision.Guard.ensure(precision.settings_for(self.case.dtype))
        # On a CPU all dtypes but the backends' defaults mean plain fp32, so the guard would only cost time there.
        if self.device.type != "cpu":
            fn = precision.guarded(fn, self.case.dtype)
            stages = parts.get("stages", {})
            parts["stages"] = {name: precision.guarded(stage, self.case.dtype) for name, stage in stages.items()}
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
        return graphs.Replayed(fn, self._static[0], keep, learners, self.device, self.record)


def inference(ctx: BuildContext, model: nn.Module, batches: Sequence[Tensor]) -> Callable[[], Tensor]:
    """A call that runs the model on the next batch, without gradients."""
    forward = ctx.autocasted(ctx.forward(model))
    feed = ctx.feed(batches)

    def run() -> Any:
        with torch.inference_mode():
            return forward(next(feed))

    return run


def training(
    ctx: BuildContext,
    model: nn.Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
) -> Callable[[], Tensor]:
    """A call that trains the model on the next batch and returns the loss, detached and not yet synchronized."""
    forward = ctx.forward(model)
    loss_of = ctx.autocasted(lambda inputs, targets: loss_fn(forward(inputs), targets))
    if ctx.whole:
        inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
        feed = epochs(inputs, targets, ctx.batch_size, ctx.rng)
    else:
        feed = ctx.feed(batches, restorer([model], [optimizer]))

    def run() -> Any:
        inputs, targets = next(feed)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(inputs, targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def rotate(batches: Sequence[Any], restore: Callable[[], None] | None = None) -> Iterator[Any]:
    """The batches in turn, for ever; after every ``RESTORE_EVERY`` of them ``restore`` is called."""
    return _restoring(cycle(batches), restore) if restore else cycle(batches)


def _restoring(turn: Iterator[Any], restore: Callable[[], None]) -> Iterator[Any]:
    while True:
        for _ in range(RESTORE_EVERY):
            yield next(turn)
        restore()


def epochs(inputs: Tensor, targets: Tensor, size: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of this size for ever: all rows in an order drawn anew each time, without a last smaller batch.

    Rows are gathered on their device. Raises ``ValueError`` where there are too few rows for one batch.
    """
    if len(targets) < size:
        raise ValueError(f"{len(targets)} rows are too few for a batch of {size}")
    while True:
        order = torch.from_numpy(rng.permutation(len(targets))).to(targets.device)
        for rows in order[: len(order) // size * size].view(-1, size).unbind():
            yield inputs[rows], targets[rows]


def restorer(models: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> Callable[[], None]:
    """A call that puts models and optimizers back to the state they are in now, in place, without synchronizing."""
    tensors = [t for model in models for t in chain(model.parameters(), model.buffers())]
    first = [t.detach().clone() for t in tensors]

    @torch.no_grad()
    def restore() -> None:
        for tensor, value in zip(tensors, first, strict=True):
            tensor.copy_(value)
        for optimizer in optimizers:
            for state in optimizer.state.values():
                for value in state.values():
                    if isinstance(value, Tensor):
                        value.zero_()

    return restore


def forward_flops(model: nn.Module, *shapes: Sequence[int]) -> int:
    """FLOPs of one forward call on inputs of these shapes, 2 per multiply-add; nothing is computed.

    Counts matrix products and convolutions, as ``torch.utils.flop_counter`` does, on tensors without storage.
    """
    weights = {name: t.detach().to("meta") for name, t in chain(model.named_parameters(), model.named_buffers())}
    inputs = tuple(torch.empty(tuple(shape), device="meta", dtype=_dtype_of(model)) for shape in shapes)
    with torch.no_grad(), flop_counter() as counter:
        functional_call(model, weights, inputs)
    return int(counter.get_total_flops())


def training_flops(model: nn.Module, *shapes: Sequence[int], inputs_need_grad: bool = False) -> int:
    """FLOPs of one forward and backward call on inputs of these shapes; the optimizer's are not counted.

    The gradient with respect to the first layer's input is left out unless ``inputs_need_grad``, as autograd does.
    """
    weights: Mapping[str, Tensor] = {
        name: torch.empty_like(t, device="meta", requires_grad=isinstance(t, nn.Parameter) and t.requires_grad)
        for name, t in chain(model.named_parameters(), model.named_buffers())
    }
    inputs = tuple(
        torch.empty(tuple(shape), device="meta", dtype=_dtype_of(model), requires_grad=inputs_need_grad)
        for shape in shapes
    )
    with flop_counter() as counter:
        functional_call(model, dict(weights), inputs).sum().backward()
    return int(counter.get_total_flops())


def _dtype_of(model: nn.Module) -> torch.dtype:
    return next(model.parameters()).dtype


def flop_counter() -> FlopCounterMode:
    """A context that counts the FLOPs of matrix products and convolutions; see ``get_total_flops``."""
    # Imported here, as it takes a tenth of a second that merely listing the cases should not cost.
    from torch.utils.flop_counter import FlopCounterMode

    return FlopCounterMode(display=False)
