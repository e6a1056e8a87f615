"""From a function to a measurement: sampling until the confidence interval is narrow enough, and what goes with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench_core.core import stats
from bench_core.core.case import Effort
from bench_core.core.results import Flag, FlagCode, Latency, Measurement
from bench_core.hardware.device import Device, resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.stopping import IntervalTarget, StoppingRule
from bench_core.timing.warmup import calibrate, too_slow_to_warm_up, warm_up

FEW = 2.0
"""If a block takes longer than so many times the time for all samples, there is no warm-up: heavy work is measured by a
single sample after two calls, rather than not at all."""
LATENCY_CALLS = 100
"""Single synchronized calls for the latency percentiles, if the time allows."""
CROSS_CHECK_PAIRS = 8
"""Pairs of blocks of 2k and of k calls in the cross-check."""
LATENCY_SHARE = CROSS_CHECK_SHARE = 0.25
"""Shares of the time budget that the latency calls and the cross-check may each take in addition to the samples."""


def measure(
    fn: Callable[[], Any],
    device: str | Device | Sequence[str] = "cpu",
    rel_ci: float = Effort.rel_ci,
    confidence: float = Effort.confidence,
    max_time: float = Effort.max_time,
    *,
    stopping: StoppingRule | None = None,
    timer: Callable[[], float] = time.perf_counter,
    cold_start: float | None = None,
    clock: SynchronizedClock | None = None,
) -> Measurement:
    """Measure the time of one call of ``fn``.

    ``device`` is the device (or the devices) that the calls use, by name or as an object with the members of
    ``hardware.device.Device``; it is synchronized before and after each timed block. Samples are taken until the
    half-width of the median's confidence interval, at the level ``confidence``, is at most ``rel_ci`` of the median, or
    until the samples have taken ``max_time`` seconds. Warm-up may take as long again, latency and cross-check a quarter
    of it each. ``timer`` returns seconds. ``cold_start`` is the time of the very first call if the caller has already
    made it; otherwise the first call is made and timed here. ``clock`` is another clock of this device to time the
    blocks with, such as one of several ranks.

    Raises ``ValueError`` for a device that does not exist or a value outside its range, and whatever ``fn`` raises.
    """
    _check_request(rel_ci, confidence, max_time)
    clock = clock or SynchronizedClock(resolve(device), timer)
    overhead = clock.overhead()
    cold = clock.first_call(fn)[0] if cold_start is None else cold_start
    size = calibrate(clock, fn, overhead)
    calls = size.calls
    warmup = too_slow_to_warm_up(size) if size.seconds > FEW * max_time else warm_up(clock, fn, calls, rel_ci, max_time)
    rule = stopping or IntervalTarget(rel_ci, confidence)
    samples, issues = _collect(clock, fn, calls, rule, max_time, warmup.block)

    center = stats.median(samples)
    effective = stats.effective_size(samples)
    interval = stats.median_interval(samples, confidence, effective)
    width = stats.relative_half_width(center, interval)
    check, check_interval = cross_check(clock, fn, calls, center, max_time)
    flags = [] if warmup.steady else [Flag(FlagCode.NOT_STEADY, f"not steady: {warmup.reason}")]
    if check_interval and interval and _apart(check_interval, _at_least(interval, center, rel_ci)):
        flags.append(Flag(FlagCode.CROSS_CHECK, "cross-check: twice the calls did not take twice the time"))
    share = overhead / (calls * center)
    return Measurement(
        samples=tuple(samples),
        median=center,
        interval=interval,
        confidence=confidence,
        rel_ci=rel_ci,
        rel_half_width=width,
        effective_samples=effective,
        inner_calls=calls,
        met_target=width is not None and width <= rel_ci,
        stop_reason=rule.reasons()[-1],
        steady=warmup.steady,
        warmup_calls=size.made + warmup.calls,
        cold_start=cold,
        issue_time=stats.median(issues),
        device_time=_device_time(clock, fn, calls),
        clock_overhead=overhead,
        cross_check=check,
        latency=latency(clock, fn, samples if calls == 1 else None, center, max_time),
        decisions=(
            f"calls per sample: {calls}, taking {1e3 * calls * center:.3g} ms; the clock costs {100 * share:.2g}%",
            f"warm-up: {warmup.reason}",
            *rule.reasons(),
        ),
        flags=tuple(flags),
    )


def _collect(
    clock: SynchronizedClock, fn: Callable[[], Any], calls: int, rule: StoppingRule, max_time: float, block: float
) -> tuple[list[float], list[float]]:
    samples: list[float] = []
    issues: list[float] = []
    spent, wanted = 0.0, rule.pilot(int(max_time / block))
    while wanted > 0:
        for _ in range(wanted):
            timed = clock.block(fn, calls)
            samples.append(timed.wall / calls)
            issues.append(timed.issue / calls)
            spent += timed.wall
            if spent >= max_time:
                break
        affordable = int((max_time - spent) / (stats.median(samples) * calls))
        wanted = rule.more(samples, max(0, affordable))
    return samples, issues


def cross_check(
    clock: SynchronizedClock, fn: Callable[[], Any], calls: int, center: float, max_time: float
) -> tuple[float | None, stats.Interval | None]:
    """The slope (T(2k) - T(k)) / k as a ratio to the median, and the slope's confidence interval in seconds.

    Both are ``None`` if the cross-check would take too long.
    """
    if 3 * calls * CROSS_CHECK_PAIRS * center > CROSS_CHECK_SHARE * max_time:
        return None, None
    slopes = [(clock.block(fn, 2 * calls).wall - clock.block(fn, calls).wall) / calls for _ in range(CROSS_CHECK_PAIRS)]
    return stats.median(slopes) / center, stats.median_interval(slopes)


def _at_least(interval: stats.Interval, center: float, rel: float) -> stats.Interval:
    """The interval, widened to at least ±``rel`` of the center: smaller differences are below the target precision."""
    return min(interval[0], center * (1.0 - rel)), max(interval[1], center * (1.0 + rel))


def _apart(a: stats.Interval, b: stats.Interval) -> bool:
    return a[1] < b[0] or b[1] < a[0]


def latency(
    clock: SynchronizedClock, fn: Callable[[], Any], singles: Sequence[float] | None, center: float, max_time: float
) -> Latency | None:
    """Percentiles of single synchronized calls; ``singles`` are the seconds of such calls, if there are any already.

    ``None`` if there is no time for even one call. A percentile needs enough calls to be meaningful: 20 for p95, 100
    for p99.
    """
    if singles is None:
        affordable = int(LATENCY_SHARE * max_time / max(center, 1e-9))
        if affordable < 1:
            return None
        singles = [clock.block(fn, 1).wall for _ in range(min(LATENCY_CALLS, affordable))]
    n = len(singles)
    return Latency(
        calls=n,
        p50=stats.median(singles),
        p95=stats.percentile(singles, 95) if n >= 20 else None,
        p99=stats.percentile(singles, 99) if n >= 100 else None,
    )


def _device_time(clock: SynchronizedClock, fn: Callable[[], Any], calls: int, repeats: int = 3) -> float | None:
    times = [clock.device_time(fn, calls) for _ in range(repeats)] if clock.device_time(_none, 1) is not None else []
    return stats.median([t for t in times if t is not None]) / calls if times else None


def _none() -> None:
    return None


def _check_request(rel_ci: float, confidence: float, max_time: float) -> None:
    if not 0.0 < rel_ci < 1.0:
        raise ValueError(f"rel_ci is {rel_ci}; it must be between 0 and 1, such as 0.02 for 2%")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, such as 0.95")
    if not (max_time > 0.0 and math.isfinite(max_time)):
        raise ValueError(f"max_time is {max_time}; it must be a number of seconds above 0")
