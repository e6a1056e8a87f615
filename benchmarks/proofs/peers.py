"""The peers themselves, asked for their raw samples: seconds per call, and the seconds each took in all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.timers import default_timer
from pytest_benchmark.utils import NameWrapper
from torch.utils.benchmark import Timer

from bench_core import measure
from bench_core.core import stats


@dataclass(frozen=True)
class Taken:
    """Samples in seconds per call, and the wall time that taking them took."""

    samples: list[float]
    seconds: float

    @property
    def width(self) -> float:
        """The yardstick: the relative half width of our interval on these samples."""
        interval = stats.median_interval(self.samples, 0.95, stats.effective_size(self.samples))
        return stats.relative_half_width(stats.median(self.samples), interval) or float("inf")


def ours(step, rel: float, max_time: float) -> Taken:
    """``measure``, with its warm-up, calibration, latency calls and cross-check."""
    start = time.perf_counter()
    m = measure(step, step.devices, rel_ci=rel, max_time=max_time)
    return Taken(list(m.samples), time.perf_counter() - start)


def precision_mode(step, rel: float, max_time: float) -> Taken:
    """pytest-benchmark's ``--benchmark-precision`` at 95% confidence, with its defaults otherwise."""
    kept = []
    quiet = SimpleNamespace(debug=lambda *_, **__: None, warning=lambda *_, **__: None)
    fixture = BenchmarkFixture(
        SimpleNamespace(name="step", nodeid="step"),
        disable_gc=False,
        timer=NameWrapper(default_timer),
        min_rounds=5,
        min_time=0.000005,
        max_time=max_time,
        precision=rel,
        confidence=0.95,
        warmup=False,
        warmup_iterations=100_000,
        calibration_precision=10,
        add_stats=kept.append,
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
    (found,) = kept
    # Its data are seconds a round; Metadata divides by the calls of a round when it prints.
    return Taken([value / found.iterations for value in found.stats.data], seconds)


def adaptive_autorange(step, rel: float, max_time: float) -> Taken:
    """torch's ``adaptive_autorange`` with the target as its threshold."""
    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    start = time.perf_counter()
    found = timer.adaptive_autorange(threshold=rel, max_run_time=max_time)
    return Taken(list(found.times), time.perf_counter() - start)


def until_reached(tool, step, rel: float, max_time: float) -> Taken:
    """Ask a tool for ``rel``; where it stops short of it by the yardstick, ask for less, the time added up."""
    seconds, asked = 0.0, rel
    while True:
        taken = tool(step, asked, max_time)
        seconds += taken.seconds
        if taken.width <= rel or seconds >= max_time:
            return Taken(taken.samples, seconds)
        asked /= 1.5
