"""Results as plain data: how a measurement is printed, and which stages are refused."""

from dataclasses import replace

import pytest

from bench_core import measure
from bench_core.core.errors import RecordError
from bench_core.core.results import Flag, FlagCode, Latency, Measurement, Stages
from tests.support.devices import FakeAsyncDevice, VirtualClock


@pytest.fixture
def measurement() -> Measurement:
    return Measurement(
        samples=(0.0119, 0.0121, 0.0123, 0.0125, 0.0127, 0.0129, 0.0131),
        median=0.0125,
        interval=(0.0119, 0.0131),
        confidence=0.95,
        rel_ci=0.02,
        rel_half_width=0.048,
        effective_samples=7.0,
        inner_calls=3,
        met_target=False,
        stop_reason="look at 7: half-width 4.8%, time cap reached",
        steady=False,
        warmup_calls=30,
        cold_start=0.75,
        issue_time=0.0002,
        device_time=None,
        clock_overhead=1e-7,
        cross_check=1.0,
        latency=Latency(100, 0.0126, 0.0131, 0.0135),
        decisions=("a reason that only the record needs",),
        flags=(Flag(FlagCode.NOT_STEADY, "not steady: the times went on falling"),),
    )


class TestMeasurement:
    def test_it_prints_what_a_person_wants_to_know(self, measurement: Measurement) -> None:
        assert str(measurement).splitlines() == [
            "Measurement: median 12.5 ms per call, 95% CI 11.9 to 13.1 ms",
            "  7 samples of 3 calls; look at 7: half-width 4.8%, time cap reached",
            "  cold start 750 ms, latency p50 12.6 ms",
            "  warning: not steady: the times went on falling",
        ]

    def test_it_says_where_there_is_no_interval_and_no_latency(self, measurement: Measurement) -> None:
        first, *_, last = str(replace(measurement, interval=None, latency=None, flags=())).splitlines()
        assert first == "Measurement: median 12.5 ms per call, no CI"
        assert last == "  cold start 750 ms"

    def test_a_measured_step_prints_readably_and_without_its_samples(self) -> None:
        time = VirtualClock(tick=1e-8)
        durations = (1e-3 + 1e-9 * i for i in range(10**6))
        m = measure(lambda: time.advance(next(durations)), FakeAsyncDevice(time), timer=time)
        words = str(m)
        assert words == repr(m)
        assert "median 1.00 ms per call" in words
        assert all(len(line) <= 120 for line in words.splitlines())
        assert len(m.samples) > 6
        assert not any(str(sample) in words for sample in m.samples)
        assert "samples=" not in words


class TestStages:
    @pytest.mark.parametrize(
        ("seconds", "whole", "repeats"),
        [
            ({"a": float("nan")}, 1.0, 3),
            ({"a": -1.0}, 1.0, 3),
            ({}, 1.0, 3),
            ({"a": 1.0}, 0.0, 3),
            ({"a": 1.0}, 1.0, 0),
        ],
    )
    def test_figures_that_cannot_be_are_refused(self, seconds: dict[str, float], whole: float, repeats: int) -> None:
        with pytest.raises(RecordError):
            Stages(seconds, whole, repeats)

    def test_their_share_is_their_sum_over_the_whole(self) -> None:
        assert Stages({"a": 1.0, "b": 0.25}, 1.0, 3).share == 1.25
