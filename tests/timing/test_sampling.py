"""``measure``: warm-up, calibration, samples, cross-check and latency, on steps whose times are known."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from bench_core import measure
from bench_core.core import stats
from bench_core.core.results import FlagCode, Measurement
from tests.support.devices import FakeAsyncDevice, VirtualClock, WallClock

TICK = 5e-8
"""What a reading of the virtual clock costs; an empty block has two of them."""


def measure_scripted(seconds: Iterable[float], **options: Any) -> Measurement:
    """Measure a step whose successive calls last these seconds, in virtual time."""
    time = VirtualClock(TICK)
    durations = iter(seconds)
    return measure(lambda: time.advance(next(durations)), FakeAsyncDevice(time), timer=time, **options)


def codes(m: Measurement) -> set[str]:
    return {flag.code for flag in m.flags}


def test_a_steady_step_meets_its_target_and_says_so() -> None:
    m = measure_scripted(itertools.cycle([1e-3, 1.001e-3, 0.999e-3]), rel_ci=0.02)
    assert m.met_target
    assert m.stop_reason.endswith("met")
    assert m.median == pytest.approx(1e-3, rel=1e-3)
    assert m.interval is not None
    assert m.interval[0] <= m.median <= m.interval[1]
    assert m.rel_half_width is not None
    assert m.rel_half_width <= 0.02
    assert m.steady
    assert m.flags == ()


def test_inner_calls_keep_the_clock_under_a_thousandth_of_a_sample() -> None:
    m = measure_scripted(itertools.repeat(1e-6))
    assert m.clock_overhead > 0
    assert m.clock_overhead <= 1.001e-3 * m.inner_calls * m.median
    slow = measure_scripted(itertools.repeat(0.5), max_time=10.0)
    assert slow.inner_calls == 1


def test_the_first_call_is_stored_apart() -> None:
    m = measure_scripted(itertools.chain([5.0], itertools.repeat(1e-3)))
    assert m.cold_start == pytest.approx(5.0, rel=1e-3)
    assert max(m.samples) < 1.1e-3


def test_a_given_cold_start_is_stored_and_no_first_call_is_made() -> None:
    first_is_slow = [5.0, *[1e-3] * 3]
    own = measure_scripted(itertools.chain(first_is_slow, itertools.repeat(1e-3)))
    given = measure_scripted(itertools.chain(first_is_slow[1:], itertools.repeat(1e-3)), cold_start=7.0)
    assert given.cold_start == 7.0
    assert (given.inner_calls, given.warmup_calls) == (own.inner_calls, own.warmup_calls)
    assert given.samples == pytest.approx(own.samples)

    def calls_made(cold_start: float | None) -> int:
        time = VirtualClock(TICK)
        device = FakeAsyncDevice(time)
        measure(lambda: device.submit(1e-3), device, timer=time, cold_start=cold_start)
        return device.submitted

    assert calls_made(cold_start=None) - calls_made(cold_start=7.0) == 1


def test_warm_up_goes_on_until_times_settle() -> None:
    falling = [1e-3 * (1 + 10 * math.exp(-i / 30)) for i in range(400)]
    m = measure_scripted(itertools.chain(falling, itertools.repeat(1e-3)), rel_ci=0.02)
    assert m.steady
    assert m.samples[0] < 1.2e-3


def test_a_step_that_never_settles_is_flagged() -> None:
    m = measure_scripted((1e-3 * 1.05**i for i in itertools.count()), max_time=0.5)
    assert not m.steady
    assert FlagCode.NOT_STEADY in codes(m)
    assert any("not steady" in flag.text for flag in m.flags)


def test_at_the_cap_the_achieved_width_is_stored_and_the_target_not_met() -> None:
    m = measure_scripted(itertools.cycle([1e-2, 2e-2]), rel_ci=0.001, max_time=0.5)
    assert not m.met_target
    assert m.rel_half_width is not None
    assert m.rel_half_width > 0.001
    assert "cap" in m.stop_reason
    assert sum(m.samples) * m.inner_calls <= 0.5 + 0.03


def test_a_call_that_takes_more_than_all_the_time_is_measured_once_after_two_calls():
    script = iter([3.0] * 6)  # the last three for the time on the device's own clock
    m = measure_scripted(script, max_time=1.0)
    assert m.samples == pytest.approx([3.0])
    assert (m.warmup_calls, m.steady, m.interval) == (1, False, None)
    assert next(script, None) is None
    assert any("longer than all the time allowed" in flag.text for flag in m.flags)


def test_a_first_call_that_takes_long_does_not_replace_the_warm_up():
    assert measure_scripted(itertools.chain([60.0], itertools.repeat(1e-2)), max_time=1.0).steady


def test_below_six_samples_there_is_no_interval() -> None:
    m = measure_scripted(itertools.repeat(1.0), max_time=3.0)
    assert len(m.samples) < 6
    assert m.interval is None
    assert m.rel_half_width is None
    assert not m.met_target


def test_no_sample_is_deleted() -> None:
    m = measure_scripted(itertools.cycle([1e-2] * 19 + [1.0]), max_time=5.0)
    assert max(m.samples) == pytest.approx(1.0, rel=1e-3)


def test_the_cross_check_flags_a_cost_that_comes_once_a_block() -> None:
    time = VirtualClock(TICK)
    device = FakeAsyncDevice(time)
    waits = 0

    def step() -> None:
        nonlocal waits
        after_a_wait, waits = device.waits != waits, device.waits
        time.advance(1e-5 + (2e-3 if after_a_wait else 0.0))

    m = measure(step, device, timer=time)
    assert m.cross_check is not None
    assert m.cross_check < 0.9
    assert FlagCode.CROSS_CHECK in codes(m)
    assert any("cross-check" in flag.text for flag in m.flags)


def test_the_cross_check_of_equal_calls_is_one() -> None:
    m = measure_scripted(itertools.repeat(1e-4))
    assert m.cross_check == pytest.approx(1.0, abs=1e-3)


def test_latency_percentiles_appear_only_where_enough_calls_support_them() -> None:
    many = measure_scripted(itertools.repeat(1e-5)).latency
    assert many is not None
    assert many.calls == 100
    assert many.p95 is not None
    assert many.p99 is not None
    assert many.p50 <= many.p95 <= many.p99
    few = measure_scripted(itertools.repeat(0.1), max_time=1.0).latency
    assert few is not None
    assert few.p95 is None
    assert few.p99 is None


def test_an_asynchronous_device_is_measured_in_full() -> None:
    time = VirtualClock(TICK)
    device = FakeAsyncDevice(time)

    def step() -> None:
        time.advance(1e-4)  # to launch the work
        device.submit(0.002)

    m = measure(step, device, timer=time)
    calls = m.inner_calls
    assert m.median == pytest.approx((1e-4 + calls * 0.002) / calls, rel=1e-3)
    assert m.issue_time == pytest.approx(1e-4, rel=1e-2)
    assert m.device_time == pytest.approx((1e-4 + calls * 0.002) / calls, rel=1e-3)


def test_an_asynchronous_device_is_measured_in_full_by_the_wall_clock() -> None:
    device = FakeAsyncDevice(WallClock())
    m = measure(lambda: device.submit(0.002), device, max_time=0.3)
    assert m.median >= 0.002
    assert m.issue_time < 0.5 * m.median


def test_a_stopping_rule_can_be_replaced() -> None:
    class Seven:
        def pilot(self, affordable: int) -> int:
            return 7

        def more(self, samples: Sequence[float], affordable: int) -> int:
            return 0

        def reasons(self) -> tuple[str, ...]:
            return ("seven is enough",)

    m = measure(lambda: None, stopping=Seven())
    assert len(m.samples) == 7
    assert m.stop_reason == "seven is enough"


def test_every_decision_is_reported_with_its_reason() -> None:
    m = measure_scripted(itertools.cycle([1e-3, 1.1e-3, 0.9e-3]), rel_ci=0.02)
    assert m.decisions[0].startswith("calls per sample: ")
    assert m.decisions[1].startswith("warm-up: steady after")
    assert m.decisions[2].startswith("pilot of 32")
    assert all("look at" in decision for decision in m.decisions[3:])
    assert m.decisions[-1] == m.stop_reason


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"rel_ci": 0.0}, "rel_ci"),
        ({"rel_ci": math.nan}, "rel_ci"),
        ({"confidence": 1.0}, "confidence"),
        ({"max_time": 0.0}, "max_time"),
        ({"max_time": math.inf}, "max_time"),
        ({"device": "tpu"}, "there are"),
    ],
)
def test_requests_that_make_no_sense_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        measure(lambda: None, **options)


def test_an_exception_of_the_step_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 / 0)


def test_the_figures_are_those_of_the_samples() -> None:
    m = measure(lambda: sum(range(1000)), max_time=0.2)
    assert m.median == stats.median(m.samples)
    assert m.interval == stats.median_interval(m.samples, 0.95, m.effective_samples)
