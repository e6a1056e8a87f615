"""The declaration of a workload, checked on creation. Reading it does not need torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, get_args

from bench_core.core.case import (
    AUTOCAST,
    DEVICES,
    DTYPES,
    HALF_DTYPES,
    INFERENCE_ONLY_DTYPES,
    SHARDED,
    SWEEPS,
    VARIANTS,
    Case,
)
from bench_core.core.errors import CaseError, DefinitionError
from bench_core.core.modes import Casting

if TYPE_CHECKING:
    from bench_core.core.step import Step
    from bench_core.workloads.kit.context import BuildContext

    Build = Callable[[BuildContext], Step]

P = ParamSpec("P")
T = TypeVar("T")
Kind = Literal["train", "infer", "op", "pipeline"]


@dataclass(frozen=True)
class KnownCosts:
    """What is known about a workload in advance, from its source or calculated by hand; a case that differs fails.

    ``parameters`` is the number of all modules' parameters, ``flops`` the FLOPs per unit of work, both for the
    workload's first setting; ``None`` if there are none or they are not defined. ``description`` states this and
    whatever else is known, for people.
    """

    description: str = ""
    parameters: int | None = None
    flops: int | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the declaration of a workload states, in addition to its build function.

    Required:

    - ``family``: the workloads that belong together. ``kind``: ``train``, ``infer``, ``op`` or ``pipeline``.
    - ``unit``: what is counted (image, series, element). ``source``: where the work comes from, with the section.
    - ``batches``: batch sizes of the default sweep by device type; a device type without any cannot run the work.
    - ``reference_batch``: the batch of the source. Further settings and the single-thread case are measured at it; on a
      device that it is too large for, at the largest below it.

    Optional:

    - ``settings``: the workload's own choices by name (a kernel size, a sequence length); ``ctx.setting`` is the value.
    - ``dtypes``: default all; for training all except ``fp16``, which needs a gradient scaler. ``variants``: default
      all. ``casting``: how it computes in 16 bits; default under autocast for training, and stored for all other kinds.
    - ``heavy``: one CPU step takes longer than about 0.2 s. Such work gets more time per case, and its single-thread
      case is measured only in a full sweep.
    - ``full_batches``: further batch sizes for a full sweep, too heavy for the default one. ``full_settings``: settings
      that only a full sweep measures. Both by device type. ``gpu_settings``: settings that need a CUDA device.
    - ``over_ranks``: several processes work on it together; it is measured only where numbers of ranks are asked for.
    - ``grid``: the default sweep also measures every setting at every batch.
    - ``weights``: torchvision's name of the weights that the user may bring; see ``BuildContext.pretrained``.
    - ``known_costs``: what is known in advance; each case is checked against it. ``regime``: what the work is expected
      to be bound by, and why. ``no_parity``: why there is no float64 reference to check it against.
    """

    family: str
    kind: Kind
    unit: str
    source: str
    batches: Mapping[str, tuple[int, ...]]
    reference_batch: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    variants: tuple[str, ...] = VARIANTS
    casting: Casting | None = None
    heavy: bool = False
    full_batches: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    full_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gpu_settings: tuple[str, ...] = ()
    grid: bool = False
    over_ranks: bool = False
    weights: str = ""
    known_costs: KnownCosts = KnownCosts()
    regime: str = ""
    no_parity: str = ""

    def __post_init__(self) -> None:
        if not self.dtypes:
            object.__setattr__(self, "dtypes", default_dtypes(self.kind))
        if self.casting is None:
            object.__setattr__(self, "casting", Casting.AUTOCAST if self.kind == "train" else Casting.STORED)

    def batch_sizes(self, device_type: str, sweep: str = SWEEPS[0]) -> tuple[int, ...]:
        """The batch sizes of a sweep (``default`` or ``full``) on a device type (``cpu``, ``cuda``, ...); none if the
        work is not defined there. An accelerator without an entry of its own takes that of ``cuda``.

        Raises ``CaseError`` for a device type that does not exist.
        """
        if device_type not in DEVICES:
            raise CaseError(f"no device {device_type!r}; there are: {', '.join(DEVICES)}")
        further = entry(self.full_batches, device_type) if sweep == "full" else ()
        return tuple(sorted((*entry(self.batches, device_type), *further)))

    def reference_on(self, device_type: str) -> int:
        """The reference batch, or the largest batch below it that a device type has; at least its smallest one.

        Raises ``CaseError`` as ``batch_sizes`` does. The work must be defined on the device type.
        """
        swept = self.batch_sizes(device_type, "full")
        return max((batch for batch in swept if batch <= self.reference_batch), default=swept[0])

    def casting_of(self, case: Case) -> Casting | None:
        """How a case computes; ``None`` in dtypes that do not have 16 bits."""
        if case.dtype not in HALF_DTYPES:
            return None
        return Casting.AUTOCAST if AUTOCAST in case.variant_parts else self.casting

    @property
    def gpu_only(self) -> bool:
        """Whether it has no batch sizes for a CPU."""
        return not self.batch_sizes("cpu", "full")


@dataclass(frozen=True, kw_only=True)
class Workload(Facts):
    """A named, seeded piece of PyTorch work: its facts, and ``build``, which makes a step from a case."""

    name: str
    summary: str
    build: Build

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in _problems(self):
            raise DefinitionError(f"workload {self.name}: {problem}")

    @property
    def first_setting(self) -> str:
        """The name of the first setting; empty where there are none."""
        return next(iter(self.settings), "")


def entry(by_device: Mapping[str, tuple[T, ...]], device_type: str) -> tuple[T, ...]:
    """What is stated for a device type; for an accelerator of which nothing is stated, what is stated for ``cuda``."""
    if device_type not in by_device and device_type != "cpu":
        device_type = "cuda"
    return by_device.get(device_type, ())


def default_dtypes(kind: Kind) -> tuple[str, ...]:
    """The dtypes of a workload that declares none."""
    return tuple(dtype for dtype in DTYPES if not (kind == "train" and dtype in INFERENCE_ONLY_DTYPES))


def _declares(facts: Callable[P, Facts]) -> Callable[P, Callable[[Build], Workload]]:
    """A decorator with the parameters of ``facts``."""

    def workload(*args: P.args, **kwargs: P.kwargs) -> Callable[[Build], Workload]:
        """Declare a workload by its build function: see ``Facts``.

        The function's name is the workload's name; the first line of its docstring is the summary. Raises
        ``DefinitionError`` if the declaration is incomplete or contradicts itself.
        """
        stated = vars(facts(*args, **kwargs))

        def wrap(build: Build) -> Workload:
            summary = (build.__doc__ or "").strip().partition("\n")[0]
            return Workload(name=build.__name__, summary=summary, build=build, **stated)

        return wrap

    return workload


workload = _declares(Facts)


def _problems(w: Workload) -> tuple[str, ...]:
    """What is wrong with a declaration, in the order of its fields."""
    checks = (
        (bool(w.summary), "its build function needs a docstring; the first line is what `bench-core list` shows"),
        (w.kind in get_args(Kind), f"no kind {w.kind!r}; there are: {', '.join(get_args(Kind))}"),
        *((bool(getattr(w, name)), f"{name} is empty") for name in ("family", "unit", "source")),
        (isinstance(w.settings, Mapping), "settings needs a dict of names and values; ctx.setting is then the value"),
        *_device_checks(w),
        *_batch_checks(w),
        *_subset_checks(w),
        (not w.weights or w.weights.isidentifier(), f"weights: {w.weights!r} is not a name such as 'resnet50'"),
        (w.heavy or not any(w.full_batches.values()), "full_batches are for heavy workloads; add heavy=True"),
    )
    return tuple(problem for fine, problem in checks if not fine)


def _device_checks(w: Workload) -> tuple[tuple[bool, str], ...]:
    stated = (("batches", w.batches), ("full_batches", w.full_batches), ("full_settings", w.full_settings))
    return tuple(
        (set(by_device) <= set(DEVICES), f"{name}: no device {', '.join(sorted(set(by_device) - set(DEVICES)))!r}")
        for name, by_device in stated
    )


def _batch_checks(w: Workload) -> tuple[tuple[bool, str], ...]:
    by_device = {device: w.batch_sizes(device, "full") for device in w.batches if device in DEVICES}
    sizes = [size for swept in by_device.values() for size in swept]
    return (
        (bool(sizes), "batches has no batch size for any device"),
        (all(size >= 1 for size in sizes), "a batch size is below 1"),
        *((len(set(s)) == len(s), f"a batch size for {device} is there twice") for device, s in by_device.items()),
        (w.reference_batch in sizes, f"reference_batch {w.reference_batch} is not among the batches for any device"),
    )


def _subset_checks(w: Workload) -> tuple[tuple[bool, str], ...]:
    stated = (
        ("dtypes", w.dtypes, DTYPES),
        ("variants", w.variants, (*VARIANTS, SHARDED) if w.over_ranks else VARIANTS),
        ("gpu_settings", w.gpu_settings, tuple(w.settings)),
        *(("full_settings", names, tuple(w.settings)) for names in w.full_settings.values()),
    )
    return tuple(
        (set(names) <= set(known), f"{what}: {', '.join(set(names) - set(known))} is not one of {', '.join(known)}")
        for what, names, known in stated
    )
