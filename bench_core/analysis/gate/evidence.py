"""How strong the evidence is that values have a center above a threshold, at any time while values are added.

The values are log-ratios, one from each pair of fresh processes. Who starts first and who measures first is drawn by
lot in each pair, so for identical code the sign of each value is a fair coin, whatever its size and whatever the
earlier values were. Then each factor 2 / (1 + exp(-2 s)), with s an odd function of the value, has an expectation of 1,
since the factors of s and -s add up to 2. A product of such factors is a fair game: it exceeds c at any time with a
probability of at most 1 / c (Ville's inequality). So one may look after every pair and stop when one likes.

Sources: de la Peña, A general class of exponential inequalities for martingales and ratios, Annals of Probability 27
(1999), for symmetric values; Ramdas et al., Game-theoretic statistics and safe anytime-valid inference, Statistical
Science 38 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]

SCALES = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0)
"""Bets for differences of about 1 / scale. Their mean is taken, as the spread of the values is not known before."""
LIMIT = 1.5
"""A single value counts at most as much as this many units, so that no outlier decides."""


def log_evidence(values: ArrayLike, threshold: float = 0.0) -> float:
    """The natural logarithm of the evidence that the center of the values is above the threshold.

    If it is not, it reaches ln(c) at any time with a probability of at most 1 / c. It is 0 without values.
    """
    above = np.asarray(values, dtype=np.float64) - threshold
    units = np.clip(np.outer(SCALES, above), -LIMIT, LIMIT)
    bets = (math.log(2.0) - np.logaddexp(0.0, -2.0 * units)).sum(axis=1)
    return float(np.logaddexp.reduce(bets) - math.log(len(SCALES)))


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """An interval of the center that holds at all times together: the thresholds against which there is no evidence.

    Infinite on a side where there are too few values.
    """
    wanted = math.log(2.0 / (1.0 - confidence))
    array = np.asarray(values, dtype=np.float64)
    return _lower(array, wanted), -_lower(-array, wanted)


def _lower(values: NDArray[np.float64], wanted: float) -> float:
    """The highest threshold that the values exceed with this evidence."""
    reach = 2.0 * LIMIT / min(SCALES)
    if not len(values):
        return -math.inf
    low, high = float(values.min()) - reach, float(values.max())
    if log_evidence(values, low) < wanted:
        return -math.inf
    while high - low > 1e-6:
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_evidence(values, middle) >= wanted else (low, middle)
    return low
