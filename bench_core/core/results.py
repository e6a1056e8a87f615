"""The results of measuring: plain data, in a layer below everything that produces it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench_core.core import text
from bench_core.core.errors import RecordError

SMALLEST, LARGEST = 1e-30, 1e30


def is_positive(number: float) -> bool:
    """Whether a number is above 0, and neither so small nor so large that ratios of such numbers under- or overflow."""
    return SMALLEST <= number <= LARGEST


def are_positive(numbers: Sequence[float]) -> bool:
    """Whether ``is_positive`` holds for each of these numbers, found without a loop in Python."""
    if not numbers:
        return True
    # A NaN may hide from min and max, but not from the sum.
    return min(numbers) >= SMALLEST and max(numbers) <= LARGEST and not math.isnan(sum(numbers))


class FlagCode(StrEnum):
    """What a warning about a result is about."""

    NOT_STEADY = "not_steady"
    CROSS_CHECK = "cross_check"
    CONTENTION = "contention"
    OWN_THREADS = "own_threads"
    INTERRUPTED = "interrupted"
    STOLEN_TIME = "stolen_time"
    TOO_MANY_THREADS = "too_many_threads"
    EMULATED_DTYPE = "emulated_dtype"
    PARITY_INCONCLUSIVE = "parity_inconclusive"
    STAGES_DO_NOT_ADD_UP = "stages_do_not_add_up"
    TWO_MODES = "two_modes"


@dataclass(frozen=True)
class Flag:
    """A warning about a result. ``code`` is for programs (a ``FlagCode``, or a code of a newer bench-core), ``text`` is
    for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Latency:
    """Percentiles of single synchronized calls, in seconds; ``None`` if there are too few ``calls`` for one."""

    calls: int
    p50: float
    p95: float | None
    p99: float | None


@dataclass(frozen=True, repr=False)
class Measurement:
    """The time of one call of a function; all times in seconds per call.

    ``samples`` are means over blocks of ``inner_calls`` calls each, in the order taken; none was deleted. ``interval``
    is the confidence interval of the median, ``None`` below six samples. ``cross_check`` is (T(2k) - T(k)) / k divided
    by the median, where T(k) is the time of k calls: it is near 1 if all of a block's time is spent in its calls.
    ``decisions`` gives the reason for each decision about effort, in plain language; ``flags`` are warnings.
    """

    samples: tuple[float, ...]
    median: float
    interval: tuple[float, float] | None
    confidence: float
    rel_ci: float
    rel_half_width: float | None
    effective_samples: float
    inner_calls: int
    met_target: bool
    stop_reason: str
    steady: bool
    warmup_calls: int
    cold_start: float
    issue_time: float
    device_time: float | None
    clock_overhead: float
    cross_check: float | None
    latency: Latency | None
    decisions: tuple[str, ...]
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        """The main results, one per line, without the samples themselves."""
        interval = f"{self.confidence:.0%} CI {text.seconds_interval(self.interval)}" if self.interval else "no CI"
        lines = [
            f"Measurement: median {text.seconds(self.median)} per call, {interval}",
            f"  {len(self.samples)} samples of {self.inner_calls} calls; {self.stop_reason}",
            f"  cold start {text.seconds(self.cold_start)}"
            + (f", latency p50 {text.seconds(self.latency.p50)}" if self.latency else ""),
            *(f"  warning: {flag.text}" for flag in self.flags),
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Stages:
    """Seconds per call of each stage, and of a whole call: from the medians of ``repeats`` repeats of both, in turn.

    The devices are synchronized after each stage, so stages that overlap in a whole call add up to more than that call.
    ``loading`` and ``moving`` name the stages that prepare inputs on the host, and those that copy between devices.
    """

    seconds: dict[str, float]
    whole: float
    repeats: int
    loading: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in {**self.seconds, "whole": self.whole}.items():
            if not (value == 0.0 or is_positive(value)):
                raise RecordError(f"{name}: {value} is not a number of seconds")
        if not (self.seconds and self.whole and self.repeats > 0):
            raise RecordError("stages: there are none, or they took no time")
        if unknown := {*self.loading, *self.moving} - {*self.seconds}:
            raise RecordError(f"stages: there is no stage {', '.join(sorted(unknown))}")

    def of(self, names: Iterable[str]) -> float:
        """The seconds per call of some stages together."""
        return sum(self.seconds[name] for name in names)

    @property
    def share(self) -> float:
        """The sum of the stages divided by the whole call."""
        return sum(self.seconds.values()) / self.whole


CPU_PACKAGES, GPU_BOARD = "CPU packages (RAPL)", "GPU board (NVML)"
"""The boundaries of energy counters."""


@dataclass(frozen=True)
class Energy:
    """The ``joules`` that everything within a ``boundary`` took in ``calls`` calls of a case, which lasted ``seconds``.

    What the boundary takes without any work is included.
    """

    boundary: str
    joules: float
    seconds: float
    calls: int

    def __post_init__(self) -> None:
        if not (is_positive(self.joules) and is_positive(self.seconds) and self.calls > 0):
            raise RecordError(f"energy: {self.joules} J in {self.seconds} s and {self.calls} calls is not possible")

    @property
    def per_call(self) -> float:
        """Joules per call."""
        return self.joules / self.calls


@dataclass(frozen=True)
class Contention:
    """Other work on the CPUs while a case was measured.

    ``involuntary_switches`` counts how often the kernel took a CPU away from this process in ``seconds``. ``stolen`` is
    the share of all CPU time that the hypervisor gave to other machines. ``delay`` is how many seconds the threads of
    this process, added up, were ready to run but waited for a CPU. ``other_cores`` is how many of the CPUs that this
    process may use were busy with other processes, on average. Each is ``None`` if the kernel does not report it.
    ``load_before`` is the one-minute load average at the start.
    """

    seconds: float
    involuntary_switches: int | None
    stolen: float | None
    load_before: float
    delay: float | None = None
    other_cores: float | None = None

    @property
    def switch_rate(self) -> float | None:
        """Involuntary context switches per second."""
        return None if self.involuntary_switches is None else self.involuntary_switches / self.seconds


@dataclass(frozen=True)
class Parity:
    """The errors of a case's first call against a float64 reference, relative to the norm of the reference.

    ``error`` and ``tolerance`` belong to the ``quantity`` whose error is the largest fraction of its tolerance.
    ``errors`` holds the errors of all quantities: outputs, gradients, the first update of the weights (against the step
    in float64 from the same gradients, where it follows from them). ``inconclusive`` names those that were not judged,
    because rounding to the dtype alone changes them as much as a bug would. ``batch_size`` is the batch size of the
    comparison; ``seconds`` is how long the check took.
    """

    quantity: str
    error: float
    tolerance: float
    errors: dict[str, float]
    inconclusive: tuple[str, ...]
    batch_size: int
    seconds: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.error < math.inf:
            raise RecordError(f"error: {self.error} is not a finite number")
        if not 0.0 < self.tolerance < math.inf:
            raise RecordError(f"tolerance: {self.tolerance} is not a number above 0")
