"""Other tools, run for their raw samples: seconds per call, and the seconds that each tool took in total."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.utils import NameWrapper
from torch.utils.benchmark import Timer

from bench_core import measure
from bench_core.core import stats


class Work(Protocol):
    """What is measured: a callable that names its devices, as a ``Step`` does."""

    @property
    def devices(self) -> tuple[str, ...]: ...

    def __call__(self) -> object: ...


@dataclass(frozen=True)
class Samples:
    """Samples in seconds per call, and the wall time that sampling took."""

    values: list[float]
    seconds: float

    @property
    def width(self) -> float:
        """The common measure: the relative half-width of our interval on these samples."""
        interval = stats.median_interval(self.values, 0.95, stats.effective_size(self.values))
        return stats.relative_half_width(stats.median(self.values), interval) or float("inf")


def ours(step: Work, rel: float, max_time: float) -> Samples:
    """``measure``, with its warm-up, calibration, latency calls and cross-check."""
    start = time.perf_counter()
    m = measure(step, step.devices, rel_ci=rel, max_time=max_time)
    return Samples(list(m.samples), time.perf_counter() - start)


def precision_mode(step: Work, rel: float, max_time: float) -> Samples:
    """pytest-benchmark's ``--benchmark-precision`` at 95% confidence, with its defaults otherwise."""
    results: list[Any] = []
    quiet = SimpleNamespace(debug=lambda *_, **__: None, warning=lambda *_, **__: None)
    fixture = BenchmarkFixture(
        SimpleNamespace(name="step", nodeid="step"),
        disable_gc=False,
        timer=NameWrapper(time.perf_counter),
        min_rounds=5,
        min_time=0.000005,
        max_time=max_time,
        precision=rel,
        confidence=0.95,
        warmup=False,
        warmup_iterations=100_000,
        calibration_precision=10,
        add_stats=results.append,
        logger=quiet,
        warner=None,
        disabled=False,
        cprofile=None,
        cprofile_loops=None,
        cprofile_dump=None,
    )
    start = time.perf_counter()
    fixture(step)
    seconds = time.perf_counter() - start
    (result,) = results
    # Its data are seconds per round; Metadata divides by the calls of a round when it prints.
    return Samples([value / result.iterations for value in result.stats.data], seconds)


def adaptive_autorange(step: Work, rel: float, max_time: float) -> Samples:
    """torch's ``adaptive_autorange`` with the target as its threshold."""
    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    start = time.perf_counter()
    result = timer.adaptive_autorange(threshold=rel, max_run_time=max_time)
    return Samples(list(result.times), time.perf_counter() - start)


Tool = Callable[[Work, float, float], Samples]


def until_reached(tool: Tool, step: Work, rel: float, max_time: float) -> Samples:
    """Request ``rel`` of a tool; while the common measure is above it, request less. The seconds are those of all."""
    seconds, requested = 0.0, rel
    while True:
        samples = tool(step, requested, max_time)
        seconds += samples.seconds
        if samples.width <= rel or seconds >= max_time:
            return Samples(samples.values, seconds)
        requested /= 1.5
