"""Simulated series with and without a step, and the thresholds of ``change_points`` made from those without.

``python benchmarks/proofs/steps.py`` prints the table ``THRESHOLDS`` of ``bench_core/analysis/thresholds.py``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench_core.analysis.change_points import strongest_alarm
from bench_core.analysis.thresholds import FALSE_ALARMS

Floats = NDArray[np.float64]
T = TypeVar("T")

CV = 0.02
STEP = 1.05


def _normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(0.0, CV, n)


def _student(rng: np.random.Generator, n: int) -> Floats:
    return rng.standard_t(3.0, n) * CV / math.sqrt(3.0)


def _autoregressive(rng: np.random.Generator, n: int, rho: float) -> Floats:
    noise = rng.normal(0.0, CV, n)
    noise[1:] *= math.sqrt(1.0 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise)


NOISE: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": _normal,
    "t, 3 degrees": _student,
    "AR(1) rho .5": partial(_autoregressive, rho=0.5),
    "AR(1) rho .7": partial(_autoregressive, rho=0.7),
}
CALIBRATED = ("normal", "t, 3 degrees", "AR(1) rho .5")
"""What the thresholds are made for. The level of each is that of the noise which needs the highest."""

COUNTS = {15: 10_000, 20: 10_000, 30: 10_000, 50: 10_000, 100: 10_000}
COUNTS |= {200: 10_000, 500: 6_000, 1000: 4_000, 2000: 2_000}


@dataclass(frozen=True)
class Scene:
    """Series of ``size`` values at a level of 1 with this noise, and a step of 5% ``after`` values before the end."""

    noise: str
    size: int = 200
    after: int = 0

    @property
    def where(self) -> int:
        """The index of the step."""
        return self.size - self.after

    def series(self, count: int, seed: int) -> Iterator[Floats]:
        """The t distribution reaches below zero; such values become 5% of the level."""
        rng = np.random.default_rng([seed, self.size, self.after, sorted(NOISE).index(self.noise)])
        for _ in range(count):
            values = np.maximum(0.05, 1.0 + NOISE[self.noise](rng, self.size))
            values[self.where :] *= STEP
            yield values


def over(scene: Scene, count: int, function: Callable[[Floats], T], seed: int, shares: int = 8) -> list[T]:
    """The function of each of many series, computed on all cores; the same whatever their number."""
    share = partial(_share, scene, math.ceil(count / shares), function)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(share, range(seed * shares, (seed + 1) * shares))
    return [result for part in parts for result in part][:count]


def _share(scene: Scene, count: int, function: Callable[[Floats], T], seed: int) -> list[T]:
    return [function(values) for values in scene.series(count, seed)]


def thresholds(n: int, count: int) -> tuple[float, ...]:
    """The quantiles of the strongest alarm that leave these shares of false alarms, the highest of the noises."""
    ranks = [1.0 - share for share in FALSE_ALARMS]
    rows = [np.quantile(over(Scene(noise, n), count, strongest_alarm, seed=0), ranks) for noise in CALIBRATED]
    return tuple(round(float(value), 2) for value in np.max(rows, axis=0))


if __name__ == "__main__":
    for size, number in COUNTS.items():
        print(f"    {size}: {thresholds(size, number)},", flush=True)
