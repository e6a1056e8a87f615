"""How much evidence a step needs, from simulated series without one."""

from __future__ import annotations

import math

import numpy as np

from bench_core.core.errors import BenchError

FALSE_ALARMS = (0.05, 0.01, 0.001)

THRESHOLDS: dict[int, tuple[float, float, float]] = {
    15: (2.53, 3.88, 5.43),
    20: (2.86, 4.08, 5.84),
    30: (3.09, 4.19, 5.66),
    50: (3.22, 4.27, 5.48),
    100: (3.26, 4.06, 5.05),
    200: (3.33, 3.96, 4.79),
    500: (3.44, 4.22, 4.92),
    1000: (3.38, 4.65, 5.43),
    2000: (3.55, 4.8, 5.99),
}
"""By the number of values, the evidence exceeded in these shares of series without a step.

The noise of the series is normal, or has Student's t distribution with 3 degrees of freedom, or is autoregressive with
rho = 0.5; the highest of the three counts. ``python benchmarks/proofs/steps.py`` makes the table.
"""

_RARITIES = [-math.log(share) for share in FALSE_ALARMS]


def threshold(n: int, false_alarm: float) -> float:
    """The evidence that a step needs in a series of ``n`` values, interpolated in log n and log ``false_alarm``.

    Raises ``BenchError`` for a ``false_alarm`` outside the table.
    """
    if not FALSE_ALARMS[-1] <= false_alarm <= FALSE_ALARMS[0]:
        raise BenchError(f"false_alarm is {false_alarm}; it must be from {FALSE_ALARMS[-1]} to {FALSE_ALARMS[0]}")
    return float(np.interp(-math.log(false_alarm), _RARITIES, _levels(n)))


def confidence(n: int, evidence: float) -> float:
    """One minus the share of series of ``n`` values without a step that exceed this evidence; from 0.95 to 0.999."""
    return 1.0 - math.exp(-float(np.interp(evidence, _levels(n), _RARITIES)))


def _levels(n: int) -> list[float]:
    sizes = [math.log(size) for size in THRESHOLDS]
    return [float(np.interp(math.log(max(1, n)), sizes, column)) for column in zip(*THRESHOLDS.values(), strict=True)]
