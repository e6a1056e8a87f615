"""The ratio of head and base that a pair of processes shows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bench_core.core.pairs import Pair


@lru_cache(maxsize=2**14)
def log_ratio(pair: Pair) -> float:
    """The logarithm of the time of head / base: the median over the turns of a pair.

    In a turn both sides have two blocks, one side's between the other's, so a machine whose speed drifts is as fast for
    both; a turn in which it changes abruptly is an outlier, which the median ignores. Where the sides change places,
    only the sign changes.
    """
    base, head = (np.log(side.times).reshape(-1, 2).mean(axis=1) for side in (pair.base, pair.head))
    return float(np.median(head - base))
