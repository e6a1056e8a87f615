"""What is stored of the ranks of a case."""

from __future__ import annotations

import socket

from bench_core.core.case import Effort
from bench_core.core.ranks import RankTimes
from bench_core.core.results import Measurement
from bench_core.core.step import Step
from bench_core.timing.rank_clock import RankClock


def rank_times(clock: RankClock, m: Measurement, step: Step, effort: Effort) -> RankTimes:
    """How each rank fared in a measurement by their clock; all ranks call this."""
    medians, hosts = clock.medians(m), clock.ranks.gather_all(socket.gethostname())
    share = clock.communication(step.fn, step.local, m, effort.max_time / 4) if step.local else None
    return RankTimes(clock.ranks.backend, hosts, medians, share, step.bus_bytes)
