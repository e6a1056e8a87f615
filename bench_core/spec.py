"""What is measured: a workload, a case of it, and the step that a case is built into.

Nothing here imports torch, so stored results can be read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bench_core.build import BuildContext

    Output = Tensor | dict[str, Tensor]

Kind = Literal["train", "infer", "op", "pipeline"]

DEVICES = ("cpu", "cuda")
DTYPES = ("fp32", "default", "tf32", "bf16", "fp16")
VARIANTS = ("eager", "channels_last", "compile", "cuda_graph")
CACHES = ("hot", "cold")
SWEEPS = ("default", "full")


class CaseSkipped(Exception):  # noqa: N818 - an outcome, not an error
    """A case that this machine cannot run; the message is the reason."""


@dataclass(frozen=True)
class Case:
    """A workload at one point of the sweep.

    ``threads`` is the number of CPU threads torch may use; ``None`` means all usable cores.
    ``setting`` names one of the workload's own settings (a kernel size, a sequence length); empty means its first.
    With ``caches`` ``hot`` a few input batches are used in turn; with ``cold`` so many that none is still in the last
    cache when its turn comes again (the weights may be).
    """

    workload: str
    device: str = "cpu"
    batch_size: int = 1
    dtype: str = "fp32"
    variant: str = "eager"
    setting: str = ""
    caches: str = "hot"
    threads: int | None = None
    seed: int = 0

    @property
    def way(self) -> str:
        """How it is run, in words: the variant, and cold caches if they are."""
        return self.variant if self.caches == "hot" else f"{self.variant}, {self.caches} caches"

    @property
    def id(self) -> str:
        """A short readable name, unique within a sweep."""
        parts = [self.workload, self.setting, self.device, f"b{self.batch_size}", self.dtype, self.variant]
        if self.caches != "hot":
            parts.append(self.caches)
        if self.threads is not None:
            parts.append(f"t{self.threads}")
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Step:
    """A built case, ready to call: ``step()`` does the work once and returns its output.

    ``units`` is the number of units of work a call does, ``flops`` its floating-point operations at 2 per
    multiply-add (``None`` where that is not defined). ``devices`` are those to synchronize with. ``stages`` holds the
    parts of a pipeline, to be timed apart: calling them in turn, ``rounds`` times over, does the work of one call.
    ``data`` says in words what the input is.
    """

    fn: Callable[[], Output]
    units: int
    flops: int | None
    devices: tuple[str, ...]
    data: str
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    optimizers: Mapping[str, Optimizer] = field(default_factory=dict)
    stages: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    rounds: int = 1

    def __call__(self) -> Output:
        """Do the work once."""
        return self.fn()

    @property
    def parameters(self) -> int:
        """The number of trainable parameters of all modules."""
        return sum(p.numel() for module in self.modules.values() for p in module.parameters())


@dataclass(frozen=True)
class Anchor:
    """What is known of a workload in advance, from its source or by hand; a case that differs is no case of it.

    ``says`` tells it in words. ``parameters`` are those of all modules and ``flops`` those of a unit of work, both at
    the workload's first setting; ``None`` where there are none or they are not defined.
    """

    says: str
    parameters: int | None = None
    flops: int | None = None


@dataclass(frozen=True)
class Workload:
    """A named, seeded piece of PyTorch work.

    ``batches`` are the batch sizes of the default sweep for each device type and ``reference_batch`` the one the source
    uses: there every further setting and the single-thread case are measured. ``heavy`` marks work of which one CPU
    step takes longer than about 0.2 s: it is given more time per case, and its single-thread case only in a full sweep.
    ``full_batches`` are further batch sizes of a full sweep, too heavy for the default one, and ``full_settings`` the
    settings that only a full sweep measures, both by device type; ``gpu_settings`` need a CUDA device. With ``grid``
    the default sweep, too, measures every setting at every batch. A device type without any batch size cannot run the
    work. ``regime`` says what the work is expected to be bound by, and why. ``no_parity`` says why it is not held
    against a float64 reference; empty where it is.
    """

    name: str
    family: str
    kind: Kind
    unit: str
    source: str
    summary: str
    build: Callable[[BuildContext], Step]
    batches: Mapping[str, tuple[int, ...]]
    reference_batch: int
    settings: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    variants: tuple[str, ...] = VARIANTS
    heavy: bool = False
    full_batches: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    full_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gpu_settings: tuple[str, ...] = ()
    grid: bool = False
    anchor: Anchor = Anchor("")
    regime: str = ""
    no_parity: str = ""

    @property
    def gpu_only(self) -> bool:
        """Whether no sweep measures it on a CPU."""
        return not self.batch_sizes("cpu", "full")

    def batch_sizes(self, device_type: str, sweep: str = "default") -> tuple[int, ...]:
        """The batch sizes of a sweep ("default" or "full") on a device type ("cpu" or "cuda")."""
        if device_type not in self.batches:
            raise ValueError(
                f"{self.name}: no batches for device {device_type!r}; there are: {', '.join(self.batches)}"
            )
        further = self.full_batches.get(device_type, ()) if sweep == "full" else ()
        return tuple(sorted((*self.batches[device_type], *further)))


def workload(
    *,
    family: str,
    kind: Kind,
    unit: str,
    source: str,
    batches: Mapping[str, tuple[int, ...]],
    reference_batch: int,
    settings: tuple[str, ...] = (),
    dtypes: tuple[str, ...] | None = None,
    variants: tuple[str, ...] = VARIANTS,
    heavy: bool = False,
    full_batches: Mapping[str, tuple[int, ...]] | None = None,
    full_settings: Mapping[str, tuple[str, ...]] | None = None,
    gpu_settings: tuple[str, ...] = (),
    grid: bool = False,
    anchor: Anchor = Anchor(""),
    regime: str = "",
    no_parity: str = "",
) -> Callable[[Callable[[BuildContext], Step]], Workload]:
    """Turn a build function into the workload of its name; the first line of its docstring is the summary.

    Without ``dtypes``, training gets all but ``fp16`` (which needs a gradient scaler to train).
    """

    def wrap(build: Callable[[BuildContext], Step]) -> Workload:
        return Workload(
            name=build.__name__,
            family=family,
            kind=kind,
            unit=unit,
            source=source,
            summary=(build.__doc__ or "").strip().splitlines()[0],
            build=build,
            batches=batches,
            reference_batch=reference_batch,
            settings=settings,
            dtypes=dtypes or tuple(d for d in DTYPES if not (kind == "train" and d == "fp16")),
            variants=variants,
            heavy=heavy,
            full_batches=full_batches or {},
            full_settings=full_settings or {},
            gpu_settings=gpu_settings,
            grid=grid,
            anchor=anchor,
            regime=regime,
            no_parity=no_parity,
        )

    return wrap
