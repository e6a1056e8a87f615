"""What is measured: a case (one point of a sweep), the effort to spend on it, and the values that options take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench_core.core.tunings import TUNINGS

DEVICE_TITLES: Mapping[str, str] = MappingProxyType(
    {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU", "xpu": "Intel GPU"}
)
"""The names of devices: torch's, and those for people."""

# The first value of each is the default.
DEVICES = tuple(DEVICE_TITLES)
DTYPES = ("fp32", "default", "tf32", "bf16", "fp16")
VARIANTS = ("eager", "channels_last", "compile", "cuda_graph")
"""The variants that workloads declare."""
SHARDED = "fsdp"
"""A variant that data-parallel training may declare: each rank keeps a part of the weights."""
AUTOCAST = "autocast"
"""A variant of every inference and operator in 16 bits, and of nothing else: see ``modes.Casting``."""
ALL_VARIANTS = (*VARIANTS, SHARDED, *TUNINGS, AUTOCAST)
"""The parts of variants; those of one variant are joined by ``+``."""
CACHES = ("hot", "cold")
SWEEPS = ("default", "full")

HALF_DTYPES = ("bf16", "fp16")
"""The dtypes of 16 bits."""
INFERENCE_ONLY_DTYPES = ("fp16",)
"""Training in these dtypes needs a gradient scaler, which no workload has."""

_CPU_DTYPES = {"tf32": "fp32"}
_GPU_VARIANTS = ("cuda_graph", *(t.name for t in TUNINGS.values() if t.devices and "cpu" not in t.devices))


@dataclass(frozen=True)
class Case:
    """A workload at one point of the sweep.

    ``threads`` is the number of CPU threads torch may use; ``None`` means all usable cores. ``ranks`` is the number of
    processes that work on it together, each with so many threads; ``None`` for work that is not divided. ``nodes`` is
    the number of nodes that the ranks are on.
    ``setting`` names one of the workload's own settings (a kernel size, a sequence length); empty means its first.
    If ``caches`` is ``hot``, a few input batches are used in turn. If it is ``cold``, there are so many batches that
    none is still in the last-level cache when it is used again (the weights may be).
    """

    workload: str
    device: str = DEVICES[0]
    batch_size: int = 1
    dtype: str = DTYPES[0]
    variant: str = VARIANTS[0]
    setting: str = ""
    caches: str = CACHES[0]
    threads: int | None = None
    seed: int = 0
    ranks: int | None = None
    nodes: int = 1

    @property
    def device_type(self) -> str:
        """The device without its index: ``cuda`` for ``cuda:1``."""
        return self.device.partition(":")[0]

    @property
    def variant_parts(self) -> tuple[str, ...]:
        """The parts of the variant: ``channels_last+compile`` has two."""
        return variant_parts(self.variant)

    @property
    def variant_label(self) -> str:
        """The variant as tables and plots show it; it mentions cold caches, and ranks if there are any."""
        caches = "" if self.caches == CACHES[0] else f"{self.caches} caches"
        return ", ".join(filter(None, (self.variant, caches, self.ranks_label)))

    @property
    def ranks_label(self) -> str:
        """The number of ranks in words, with that of their nodes if there are several; empty if there are no ranks."""
        if self.ranks is None:
            return ""
        ranks = f"{self.ranks} rank{'' if self.ranks == 1 else 's'}"
        return ranks if self.nodes == 1 else f"{ranks} on {self.nodes} nodes"

    @property
    def plain(self) -> bool:
        """Whether one process computes it in fp32, eagerly and with hot caches, as torch's users begin."""
        chosen = (self.dtype, self.variant, self.caches, self.ranks)
        return chosen == (DTYPES[0], VARIANTS[0], CACHES[0], None)

    @property
    def id(self) -> str:
        """A short readable name, unique within a sweep."""
        parts = [self.workload, self.setting, self.device, f"b{self.batch_size}", self.dtype, self.variant]
        if self.caches != CACHES[0]:
            parts.append(self.caches)
        if self.threads is not None:
            parts.append(f"t{self.threads}")
        if self.ranks is not None:
            parts.append(f"r{self.ranks}")
        if self.nodes > 1:
            parts.append(f"n{self.nodes}")
        return "-".join(part for part in parts if part)

    @property
    def name(self) -> str:
        """The name of a case over time: its id, and the seed unless it is the usual one, which the id leaves out."""
        return self.id if self.seed == Case.seed else f"{self.id}-seed{self.seed}"


def variant_parts(variant: str) -> tuple[str, ...]:
    """The parts of a variant, which are joined by ``+``."""
    return tuple(variant.split("+"))


def in_order(variant: str) -> str:
    """A variant under its one name: the tunings and ``autocast`` come last, and ``eager`` only by itself."""
    parts = dict.fromkeys(variant_parts(variant))
    last = [part for part in (*TUNINGS, AUTOCAST) if part in parts]
    return "+".join([part for part in parts if part not in (VARIANTS[0], *last)] + last) or VARIANTS[0]


def with_autocast(variant: str) -> str:
    """A variant under autocast: ``autocast`` for ``eager``, ``compile+autocast`` for ``compile``."""
    parts = (part for part in variant_parts(variant) if part not in (VARIANTS[0], AUTOCAST))
    return "+".join((*parts, AUTOCAST))


def without_autocast(variant: str) -> str:
    """A variant without autocast."""
    return "+".join(part for part in variant_parts(variant) if part != AUTOCAST) or VARIANTS[0]


def device_title(device: str) -> str:
    """A device's name for people: ``GPU`` for ``cuda``; one with an index, such as ``cuda:1``, keeps its name."""
    return DEVICE_TITLES.get(device, device)


def cpu_dtype(dtype: str) -> str:
    """The CPU's counterpart of a dtype: fp32 for tf32, which exists on GPUs only; otherwise the same dtype."""
    return _CPU_DTYPES.get(dtype, dtype)


def cpu_variant(variant: str) -> str:
    """The CPU's counterpart of a variant: the same without what exists on GPUs only, such as CUDA graphs."""
    return "+".join(part for part in variant_parts(variant) if part not in _GPU_VARIANTS) or VARIANTS[0]


@dataclass(frozen=True)
class Sources:
    """What the user brings, in place of what the suite generates.

    ``data`` is the folder of real data sets (``--bench-data``), ``weights`` that of trained weights
    (``--bench-weights``).
    """

    data: Path | None = None
    weights: Path | None = None


NO_SOURCES = Sources()
"""The suite's own data and random weights."""


@dataclass(frozen=True)
class Effort:
    """How well to measure: the target half-width of the median's confidence interval, relative to the median; the
    interval's confidence level; the seconds of samples allowed; and whether to measure energy, and to count the
    kernels of a GPU, too."""

    rel_ci: float = 0.02
    confidence: float = 0.95
    max_time: float = 1.0
    energy: bool = False
    kernels: bool = False
