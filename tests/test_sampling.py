import itertools
import math

import pytest
from fake_device import FakeAsyncDevice

from bench_core import measure
from bench_core.core import stats
from bench_core.core.results import Measurement


class ScriptedClockDevice:
    """A device that makes calls last what a script says, on a clock of its own: no real time passes."""

    name = "scripted"

    def __init__(self):
        self.now = 0.0

    def synchronize(self):
        self.now += 1e-7

    def read(self):
        return self.now

    def start_events(self):
        return None

    def reset_peak_memory(self):
        pass

    def peak_memory(self):
        return None

    def model(self):
        return "scripted"


@pytest.fixture
def scripted(monkeypatch):
    """Runs ``measure`` on a step whose calls last the seconds that an iterator yields."""

    def run(seconds, **options) -> Measurement:
        device = ScriptedClockDevice()
        monkeypatch.setattr("bench_core.clock.SynchronizedClock.__init__.__defaults__", (device.read,))
        durations = iter(seconds)

        def step():
            device.now += next(durations)

        return measure(step, device, **options)

    return run


def test_a_steady_step_meets_its_target_and_says_so(scripted):
    m = scripted(itertools.cycle([1e-3, 1.001e-3, 0.999e-3]), rel_ci=0.02)
    assert m.met_target
    assert m.stop_reason.endswith("met")
    assert m.median == pytest.approx(1e-3, rel=1e-3)
    assert m.interval[0] <= m.median <= m.interval[1]
    assert m.rel_half_width <= 0.02
    assert m.steady
    assert m.flags == ()


def test_inner_calls_keep_the_clock_under_a_thousandth_of_a_sample(scripted):
    m = scripted(itertools.repeat(1e-6))
    assert m.clock_overhead > 0
    assert m.clock_overhead <= 1.001e-3 * m.inner_calls * m.median
    slow = scripted(itertools.repeat(0.5), max_time=10.0)
    assert slow.inner_calls == 1


def test_the_first_call_is_stored_apart(scripted):
    m = scripted(itertools.chain([5.0], itertools.repeat(1e-3)))
    assert m.cold_start == pytest.approx(5.0, rel=1e-3)
    assert max(m.samples) < 1.1e-3


def test_warm_up_goes_on_until_times_settle(scripted):
    falling = [1e-3 * (1 + 10 * math.exp(-i / 30)) for i in range(400)]
    m = scripted(itertools.chain(falling, itertools.repeat(1e-3)), rel_ci=0.02)
    assert m.steady
    assert m.samples[0] < 1.2e-3


def test_a_step_that_never_settles_is_flagged(scripted):
    growing = (1e-3 * 1.05**i for i in itertools.count())
    m = scripted(growing, max_time=0.5)
    assert not m.steady
    assert any("not steady" in flag for flag in m.flags)


def test_at_the_cap_the_width_reached_is_stored_and_the_target_not_claimed(scripted):
    m = scripted(itertools.cycle([1e-2, 2e-2]), rel_ci=0.001, max_time=0.5)
    assert not m.met_target
    assert m.rel_half_width > 0.001
    assert "cap" in m.stop_reason
    assert sum(m.samples) * m.inner_calls <= 0.5 + 0.03


def test_below_six_samples_there_is_no_interval(scripted):
    m = scripted(itertools.repeat(1.0), max_time=3.0)
    assert len(m.samples) < 6
    assert m.interval is None
    assert m.rel_half_width is None
    assert not m.met_target


def test_no_sample_is_deleted(scripted):
    spiky = itertools.cycle([1e-2] * 19 + [1.0])
    m = scripted(spiky, max_time=5.0)
    assert max(m.samples) == pytest.approx(1.0, rel=1e-3)


def test_a_cost_that_comes_once_a_block_is_found_by_the_cross_check(monkeypatch):
    device = ScriptedClockDevice()
    monkeypatch.setattr("bench_core.clock.SynchronizedClock.__init__.__defaults__", (device.read,))
    fresh = []
    wait = device.synchronize

    def synchronize():
        wait()
        fresh.append(True)

    def step():
        device.now += 1e-5 + (2e-3 if fresh else 0.0)
        fresh.clear()

    monkeypatch.setattr(device, "synchronize", synchronize)
    m = measure(step, device)
    assert m.cross_check < 0.9
    assert any("cross-check" in flag for flag in m.flags)


def test_the_cross_check_of_honest_calls_is_one(scripted):
    m = scripted(itertools.repeat(1e-4))
    assert m.cross_check == pytest.approx(1.0, abs=1e-3)


def test_latency_percentiles_appear_only_where_enough_calls_support_them(scripted):
    many = scripted(itertools.repeat(1e-5))
    assert many.latency.calls == 100
    assert many.latency.p50 <= many.latency.p95 <= many.latency.p99
    few = scripted(itertools.repeat(0.1), max_time=1.0)
    assert few.latency.p95 is None
    assert few.latency.p99 is None


def test_an_asynchronous_device_is_measured_whole():
    device = FakeAsyncDevice()
    m = measure(lambda: device.submit(0.002), device, max_time=0.3)
    assert m.median >= 0.002
    assert m.issue_time < 0.5 * m.median


def test_a_stopping_rule_can_be_put_in():
    class Exactly:
        def pilot(self, affordable):
            return 7

        def more(self, samples, affordable):
            return 0

        def reasons(self):
            return ("seven is enough",)

    m = measure(lambda: None, stopping=Exactly())
    assert len(m.samples) == 7
    assert m.stop_reason == "seven is enough"


def test_every_decision_is_told_with_its_reason(scripted):
    m = scripted(itertools.cycle([1e-3, 1.1e-3, 0.9e-3]), rel_ci=0.02)
    assert m.decisions[0].startswith("calls in a block: ")
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
def test_requests_that_make_no_sense_are_refused(options, word):
    with pytest.raises(ValueError, match=word):
        measure(lambda: None, **options)


def test_what_the_step_raises_passes():
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 / 0)


def test_the_figures_are_those_of_the_samples():
    m = measure(lambda: sum(range(1000)), max_time=0.2)
    assert m.median == stats.median(m.samples)
    assert m.interval == stats.median_interval(m.samples, 0.95, m.effective_samples)
