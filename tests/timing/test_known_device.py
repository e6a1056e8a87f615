"""Truth by simulation: a device whose launch cost, execution time and launch queue are known, measured in full."""

from collections.abc import Callable
from dataclasses import dataclass

import clocks
import pytest

from bench_core import measure
from bench_core.hardware.device import Cpu
from tests.support.devices import FakeAsyncDevice, VirtualClock

WITHIN = 0.01


@dataclass(frozen=True)
class Known:
    """Work whose calls each launch ``launches`` times: the host takes ``launch`` seconds for one of them, the device
    ``execute`` seconds. At most ``queue`` launches may be unfinished."""

    launch: float
    execute: float
    launches: int = 1
    queue: int | None = None

    @property
    def host(self) -> float:
        """Seconds that the host takes for a call."""
        return self.launches * self.launch

    @property
    def device(self) -> float:
        """Seconds that the device takes for a call."""
        return self.launches * self.execute

    @property
    def block(self) -> float:
        """Seconds per call of a long block: host and device work at the same time."""
        return max(self.host, self.device)

    @property
    def single(self) -> float:
        """Seconds of a call on its own: the device begins after the first launch, and ends its last work last."""
        return self.launch + self.launches * self.execute if self.execute > self.launch else self.host + self.execute

    def on(self, time: VirtualClock) -> tuple[Callable[[], None], FakeAsyncDevice]:
        """A step that does this work, and its device."""
        device = FakeAsyncDevice(time, queue=self.queue)

        def step() -> None:
            for _ in range(self.launches):
                time.advance(self.launch)
                device.submit(self.execute)

        return step, device


REGIMES = {
    "device-bound": Known(launch=1e-5, execute=1e-3),
    "host-bound": Known(launch=1e-4, execute=1e-6),
    "device-bound, several launches": Known(launch=4e-6, execute=1e-4, launches=10),
    "host-bound, several launches": Known(launch=6e-6, execute=2e-6, launches=50),
    "host-bound, short queue": Known(launch=6e-6, execute=2e-6, launches=50, queue=4),
}


@pytest.mark.parametrize("known", REGIMES.values(), ids=REGIMES)
def test_throughput_latency_and_all_clocks_are_within_a_percent(known: Known) -> None:
    time = VirtualClock()
    step, device = known.on(time)
    m = measure(step, device, timer=time)
    assert m.median == pytest.approx(known.block, rel=WITHIN)
    assert m.device_time == pytest.approx(known.block, rel=WITHIN)
    assert m.issue_time == pytest.approx(known.host, rel=WITHIN)
    assert m.cold_start == pytest.approx(known.single, rel=WITHIN)
    assert m.latency is not None
    assert m.latency.p50 == pytest.approx(known.single, rel=WITHIN)
    assert m.latency.p99 == pytest.approx(known.single, rel=WITHIN)


FULL_QUEUE = Known(launch=2e-6, execute=2e-5, launches=10, queue=64)
"""The device is ten times slower than the host, which therefore waits for places in the queue."""


def test_a_full_queue_changes_the_issue_time_and_nothing_else() -> None:
    time = VirtualClock()
    step, device = FULL_QUEUE.on(time)
    m = measure(step, device, timer=time)
    assert m.median == pytest.approx(FULL_QUEUE.block, rel=WITHIN)
    assert m.device_time == pytest.approx(FULL_QUEUE.block, rel=WITHIN)
    launches = m.inner_calls * FULL_QUEUE.launches
    until_the_last_has_a_place = (launches - 64) * FULL_QUEUE.execute / m.inner_calls
    assert m.issue_time == pytest.approx(until_the_last_has_a_place, rel=WITHIN)
    assert m.issue_time > 3 * FULL_QUEUE.host


@pytest.mark.parametrize("known", [*REGIMES.values(), FULL_QUEUE], ids=[*REGIMES, "device-bound, full queue"])
def test_proof_on_a_gpu_reads_its_clocks_within_a_percent_and_tells_what_bounds_the_step(known: Known) -> None:
    time = VirtualClock()
    step, device = known.on(time)
    timed = clocks.clocks(step, device, timer=time)
    assert timed.wall == pytest.approx(known.block, rel=WITHIN)
    assert timed.events == pytest.approx(known.block, rel=WITHIN)
    assert timed.launch == pytest.approx(known.host, rel=WITHIN)
    assert timed.bound_by_host is (known.host > known.device)


def test_issue_time_of_a_long_block_does_not_tell_a_full_queue_from_a_slow_host() -> None:
    time = VirtualClock()
    step, device = FULL_QUEUE.on(time)
    timed = clocks.clocks(step, device, timer=time)
    assert timed.issue > 0.9 * timed.wall
    assert not timed.bound_by_host


@pytest.mark.parametrize(
    ("launch", "events", "bound"),
    [(1e-5, 1e-5, True), (2e-5, 1e-5, True), (0.95e-5, 1e-5, True), (0.5e-5, 1e-5, False), (1e-5, 1e-3, False)],
)
def test_launching_takes_as_long_as_the_device_where_the_host_decides(
    launch: float, events: float, bound: bool
) -> None:
    assert clocks.bound_by_host(launch, events) is bound


def test_device_without_a_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="cpu has no clock of its own"):
        clocks.clocks(lambda: None, Cpu())
