"""The clock: it waits for its devices before it starts and before it stops, whatever they are."""

import gc
from collections.abc import Iterator

import pytest

from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.replay import ReplayClock
from tests.support.devices import FakeAsyncDevice, VirtualClock, WallClock

WORK = 0.002


@pytest.fixture
def time() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def device(time: VirtualClock) -> FakeAsyncDevice:
    return FakeAsyncDevice(time)


@pytest.fixture
def collector() -> Iterator[None]:
    """Leaves the garbage collector as it was."""
    before = gc.isenabled()
    yield
    gc.enable() if before else gc.disable()


def test_a_block_waits_before_the_start_and_before_the_end() -> None:
    time = VirtualClock()
    SynchronizedClock((FakeAsyncDevice(time),), time).block(lambda: time.log.append("call"), 3)
    assert time.log == ["wait", "read", "call", "call", "call", "read", "wait", "read"]


def test_a_block_lasts_from_the_first_to_the_last_reading_and_its_issue_to_the_middle_one() -> None:
    time = VirtualClock(tick=1.0)
    block = SynchronizedClock((FakeAsyncDevice(time),), time).block(lambda: None, 5)
    assert (block.wall, block.issue) == (2.0, 1.0)


def test_asynchronous_work_is_counted_in_full(time: VirtualClock, device: FakeAsyncDevice) -> None:
    block = SynchronizedClock((device,), time).block(lambda: device.submit(WORK), 10)
    assert block.wall == pytest.approx(10 * WORK)
    assert device.idle
    assert device.submitted == 10


def test_asynchronous_work_is_counted_in_full_by_the_wall_clock() -> None:
    device = FakeAsyncDevice(WallClock())
    block = SynchronizedClock((device,)).block(lambda: device.submit(WORK), 10)
    assert block.wall >= 10 * WORK
    assert device.idle
    assert device.submitted == 10


def test_without_waiting_a_clock_reports_a_fraction_of_the_true_time(
    time: VirtualClock, device: FakeAsyncDevice
) -> None:
    def step() -> None:
        time.advance(WORK / 100)  # to launch the work
        device.submit(WORK)

    truth = SynchronizedClock((device,), time).block(step, 10)
    not_waiting = SynchronizedClock((), time).block(step, 10)
    assert truth.wall == pytest.approx(10.01 * WORK)
    assert truth.issue == pytest.approx(0.1 * WORK)
    assert not_waiting.wall == pytest.approx(0.1 * WORK)
    assert not device.idle


def test_work_submitted_earlier_is_not_counted(time: VirtualClock, device: FakeAsyncDevice) -> None:
    device.submit(100 * WORK)
    block = SynchronizedClock((device,), time).block(lambda: device.submit(WORK), 1)
    assert block.wall == pytest.approx(WORK)


def test_every_device_of_a_step_is_waited_for(time: VirtualClock) -> None:
    first, second = FakeAsyncDevice(time), FakeAsyncDevice(time)

    def step() -> None:
        first.submit(WORK)
        second.submit(2 * WORK)

    for devices in ((first, second), (second, first)):
        assert SynchronizedClock(devices, time).block(step, 5).wall == pytest.approx(10 * WORK)
        assert first.idle
        assert second.idle


def test_first_call_gives_its_time_and_what_it_returned(time: VirtualClock, device: FakeAsyncDevice) -> None:
    outputs = iter(["first output", "second output"])

    def step() -> str:
        device.submit(WORK)
        return next(outputs)

    device.submit(100 * WORK)  # earlier work, which must not be counted
    seconds, output = SynchronizedClock((device,), time).first_call(step)
    assert seconds == pytest.approx(WORK)
    assert output == "first output"
    assert next(outputs) == "second output", "the step was called more than once"


def test_device_time_is_that_of_the_devices_own_clock(time: VirtualClock, device: FakeAsyncDevice) -> None:
    def step() -> None:
        device.submit(WORK)

    device.submit(100 * WORK)
    assert SynchronizedClock((device,), time).device_time(step, 10) == pytest.approx(10 * WORK)
    assert SynchronizedClock((device, FakeAsyncDevice(time)), time).device_time(step, 10) is None


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.usefixtures("collector")
def test_garbage_collection_is_disabled_in_a_block_and_left_as_it_was(collecting: bool) -> None:
    enabled: list[bool] = []
    gc.enable() if collecting else gc.disable()
    SynchronizedClock(()).block(lambda: enabled.append(gc.isenabled()), 2)
    assert enabled == [False, False]
    assert gc.isenabled() is collecting


def test_garbage_collection_is_enabled_again_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        SynchronizedClock(()).block(lambda: 1 / 0, 1)
    assert gc.isenabled()


def test_replayed_samples_are_the_differences_of_successive_readings() -> None:
    clock = ReplayClock([0.5, 0.25])
    readings = [clock() for _ in range(4)]
    assert [readings[1] - readings[0], readings[3] - readings[2]] == [0.5, 0.25]
    with pytest.raises(StopIteration):
        clock()
    clock.load([2.0])
    assert (clock(), clock()) == (0.0, 2.0)
    assert clock.__name__
