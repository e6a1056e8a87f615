"""Time series: the AR(1) series and the airline passengers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


AR1_LABEL = "AR(1) series of 1,000 values, seed 42"


_AIR_PASSENGERS = Path(__file__).parent / "airpassengers.csv"


@dataclass(frozen=True)
class AirPassengers:
    """A monthly series: (144,) months, ``datetime64[M]``, and (144,) thousands of passengers."""

    months: NDArray[np.datetime64]
    thousands: NDArray[np.int64]


def ar1(n: int = 1000, seed: int = 42) -> NDArray[np.float64]:
    """A first-order autoregression: x[0] = 0, x[t] = .5 x[t-1] + N(0, .1), drawn by NumPy's ``RandomState``."""
    series = ar1_noise(n, seed)
    for t in range(1, n):
        series[t] += 0.5 * series[t - 1]
    return series


def ar1_noise(n: int = 1000, seed: int = 42) -> NDArray[np.float64]:
    """The innovations of ``ar1``, one per value; the first is 0."""
    return np.append(0.0, np.random.RandomState(seed).normal(0.0, 0.1, n - 1))


@cache
def air_passengers() -> AirPassengers:
    """Monthly passengers of international airlines, January 1949 to December 1960, in thousands.

    Series G of Box & Jenkins, Time Series Analysis, 1970.
    """
    months, thousands = np.loadtxt(_AIR_PASSENGERS, dtype=str, delimiter=",", skiprows=1, unpack=True)
    return AirPassengers(months.astype("datetime64[M]"), thousands.astype(np.int64))


def windows(series: NDArray[np.float64], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every window of ``k`` consecutive values and the value after it: (n - k, k) and (n - k,).

    Raises ``ValueError`` if the series is too short for one window.
    """
    if not 1 <= k < len(series):
        raise ValueError(f"a window of {k} values and the next one does not fit a series of {len(series)}")
    return np.lib.stride_tricks.sliding_window_view(series[:-1], k), series[k:]
