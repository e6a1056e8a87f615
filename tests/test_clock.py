import gc
import itertools

import pytest
from fake_device import FakeAsyncDevice

from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.replay import ReplayClock

WORK = 0.002


class LoggingDevice(FakeAsyncDevice):
    def __init__(self, log):
        super().__init__()
        self.log = log

    def synchronize(self):
        self.log.append("wait")
        super().synchronize()


def logging_clock(log):
    ticks = itertools.count()

    def timer():
        log.append("read")
        return float(next(ticks))

    return SynchronizedClock((LoggingDevice(log),), timer)


def test_a_block_waits_before_the_start_and_before_the_end():
    log = []
    logging_clock(log).block(lambda: log.append("call"), 3)
    assert log == ["wait", "read", "call", "call", "call", "read", "wait", "read"]


def test_a_block_is_timed_from_the_first_to_the_last_reading_and_issue_to_the_middle_one():
    block = logging_clock([]).block(lambda: None, 5)
    assert (block.wall, block.issue) == (2.0, 1.0)


def test_asynchronous_work_is_counted_whole():
    device = FakeAsyncDevice()
    block = SynchronizedClock((device,)).block(lambda: device.submit(WORK), 10)
    assert block.wall >= 10 * WORK
    assert device.finished == 10


def test_without_waiting_a_clock_reports_a_fraction_of_the_true_time():
    device = FakeAsyncDevice()
    truth = SynchronizedClock((device,)).block(lambda: device.submit(WORK), 10)
    blind = SynchronizedClock(()).block(lambda: device.submit(WORK), 10)
    device.synchronize()
    assert blind.wall < 0.2 * truth.wall
    assert truth.issue < 0.2 * truth.wall


def test_work_given_earlier_is_not_counted():
    device = FakeAsyncDevice()
    device.submit(100 * WORK)
    block = SynchronizedClock((device,)).block(lambda: device.submit(WORK), 1)
    assert block.wall < 50 * WORK


def test_every_device_of_a_step_is_waited_for():
    first, second = FakeAsyncDevice(), FakeAsyncDevice()

    def step():
        first.submit(WORK)
        second.submit(2 * WORK)

    assert SynchronizedClock((first, second)).block(step, 5).wall >= 10 * WORK


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_is_held_back_and_left_as_it_was(collecting):
    seen = []
    before = gc.isenabled()
    try:
        gc.enable() if collecting else gc.disable()
        SynchronizedClock(()).block(lambda: seen.append(gc.isenabled()), 2)
        assert seen == [False, False]
        assert gc.isenabled() is collecting
    finally:
        gc.enable() if before else gc.disable()


def test_the_collector_comes_back_after_an_error():
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        SynchronizedClock(()).block(lambda: 1 / 0, 1)
    assert gc.isenabled()


def test_replayed_samples_are_the_differences_of_successive_readings():
    clock = ReplayClock([0.5, 0.25])
    readings = [clock() for _ in range(4)]
    assert [readings[1] - readings[0], readings[3] - readings[2]] == [0.5, 0.25]
    with pytest.raises(StopIteration):
        clock()
    clock.load([2.0])
    assert (clock(), clock()) == (0.0, 2.0)
    assert clock.__name__
