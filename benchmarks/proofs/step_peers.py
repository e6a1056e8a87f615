"""Other tools that find steps, as they are installed, with their own defaults unless their name says otherwise.

A finder returns the index of the first value of each new level. ``pip install apache-otava asv`` installs the tools;
they are not development packages of bench-core, because they bring many of their own.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from bench_core import change_points

Floats = NDArray[np.float64]
Found = tuple[int, ...]


def ours(values: Floats) -> Found:
    """Without candidates, which are no alarms."""
    return tuple(point.index for point in change_points(values) if not point.candidate)


def otava(values: Floats, min_magnitude: float = 0.0) -> Found:
    """Apache Otava, once Hunter: E-divisive with a t-test at 0.001 in windows of 50 values (Fleming et al. 2023)."""
    series = values.tolist()  # an array is not cut into its windows
    points, _ = import_module("otava.analysis").compute_change_points(series, min_magnitude=min_magnitude)
    return tuple(point.index for point in points)


def otava_from_2_percent(values: Floats) -> Found:
    """With our least effect."""
    return otava(values, min_magnitude=0.02)


def asv_regressions(values: Floats, threshold: float = 0.05) -> Found:
    """asv's regressions: the L1 fit by levels, and of its steps up those that last and exceed the threshold."""
    asv = import_module("asv.step_detect")
    _, _, regressions = asv.detect_regressions(asv.detect_steps(values.tolist()), threshold)
    return tuple(after for _, after, _, _ in regressions or ())


def asv_from_2_percent(values: Floats) -> Found:
    """With our least effect."""
    return asv_regressions(values, 0.02)


FINDERS = {
    "bench_core": ours,
    "Otava": otava,
    "Otava, from 2%": otava_from_2_percent,
    "asv": asv_regressions,
    "asv, from 2%": asv_from_2_percent,
}
