"""The stages of a pipeline, timed in turn with whole calls, in virtual time."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from bench_core.core.step import Step
from bench_core.timing.stages import MIN_REPEATS, time_stages
from tests.support.devices import FakeAsyncDevice, VirtualClock

Work = Callable[[], Any]


@pytest.fixture
def time() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def device(time: VirtualClock) -> FakeAsyncDevice:
    return FakeAsyncDevice(time)


def step_of(stages: Mapping[str, Work], whole: Work, stage_cycles: int = 1) -> Step:
    return Step(
        fn=whole, units=1, flops=None, devices=("fake:0",), data="none", stages=stages, stage_cycles=stage_cycles
    )


def test_stages_are_waited_for_and_summed_over_the_cycles_of_a_call(
    time: VirtualClock, device: FakeAsyncDevice
) -> None:
    stages = {"load": lambda: time.advance(0.002), "compute": lambda: device.submit(0.003)}
    step = step_of(stages, lambda: time.advance(0.05), stage_cycles=10)
    timed = time_stages(step, device, max_time=1.05, timer=time)
    assert timed.seconds == pytest.approx({"load": 0.02, "compute": 0.03})
    assert timed.whole == pytest.approx(0.05)
    assert timed.share == pytest.approx(1.0)
    assert timed.repeats == 10


def test_slow_work_is_repeated_three_times_at_least_and_whole_calls_and_stages_take_turns(
    time: VirtualClock, device: FakeAsyncDevice
) -> None:
    order: list[str] = []

    def work(name: str) -> None:
        order.append(name)
        time.advance(5.0)

    timed = time_stages(step_of({"s": lambda: work("s")}, lambda: work("w")), device, max_time=1.0, timer=time)
    assert timed.repeats == MIN_REPEATS
    assert "".join(order) == "wsswws"


def test_a_spike_does_not_move_the_figures(time: VirtualClock, device: FakeAsyncDevice) -> None:
    calls = iter(range(1000))
    step = step_of({"s": lambda: time.advance(9.0 if next(calls) == 1 else 0.1)}, lambda: time.advance(0.1))
    assert time_stages(step, device, max_time=1.0, timer=time).share == pytest.approx(1.0)


def test_stages_of_which_another_one_is_slow_each_time_still_add_up_to_the_whole(
    time: VirtualClock, device: FakeAsyncDevice
) -> None:
    calls = iter(range(1000))

    def part(nth: int) -> None:
        slow = next(calls) // 3 % 3 == nth
        time.advance(3.0 if slow else 0.5)

    step = step_of({name: partial(part, n) for n, name in enumerate("abc")}, lambda: time.advance(4.0))
    timed = time_stages(step, device, max_time=1.0, timer=time)
    assert timed.share == pytest.approx(1.0)
    assert timed.seconds == pytest.approx(dict.fromkeys("abc", 4.0 / 3))


def test_a_step_without_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="no stages"):
        time_stages(step_of({}, lambda: None), "cpu")
