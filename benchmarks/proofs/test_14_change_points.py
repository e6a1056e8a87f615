"""Steps in simulated series: false alarms, power, intervals and time, and other tools on the same series."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from rates import shown
from step_peers import FINDERS, Found, ours
from steps import CALIBRATED, NOISE, STEP, Floats, Scene, over

from bench_core import change_points

PrintLine = Callable[[str], None]

NEAR = 5
"""A step is found if one is reported within this many values of it."""


def hits(scene: Scene, found: Sequence[Found]) -> int:
    """The series with an alarm; if the scene has a step, those where it is found."""
    return sum(any(not scene.after or abs(i - scene.where) <= NEAR for i in indices) for indices in found)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(("size", "count"), [(20, 4000), (50, 4000), (200, 4000), (1000, 2000)])
def test_false_alarms(noise: str, size: int, count: int, print_line: PrintLine) -> None:
    scene = Scene(noise, size)
    alarms = hits(scene, over(scene, count, ours, seed=1))
    print_line(f"false alarms, {noise}, {size} values: {shown(alarms, count)}")
    if noise in CALIBRATED:
        assert alarms / count <= (0.015 if size == 200 else 0.02)


@pytest.mark.parametrize(
    ("noise", "after", "least"),
    [("normal", 12, 0.95), ("t, 3 degrees", 12, 0.95), ("AR(1) rho .5", 12, 0.6), ("AR(1) rho .5", 24, 0.9)],
)
def test_power(noise: str, after: int, least: float, print_line: PrintLine) -> None:
    scene, count = Scene(noise, after=after), 4000
    found = hits(scene, over(scene, count, ours, seed=2))
    print_line(f"power, {noise}, a step of 5% {after} values before the end of 200: {shown(found, count)}")
    assert found / count >= least


def intervals(values: Floats) -> list[tuple[int, float, float]]:
    return [(point.index, *point.interval) for point in change_points(values)]


@pytest.mark.parametrize("noise", NOISE)
def test_intervals_contain_the_step(noise: str, print_line: PrintLine) -> None:
    scene, count = Scene(noise, after=60), 2000
    near = [
        (low, high)
        for series in over(scene, count, intervals, seed=3)
        for index, low, high in series
        if abs(index - scene.where) <= NEAR
    ]
    covered = sum(low <= STEP <= high for low, high in near)
    print_line(f"intervals of found steps that contain the true ratio, {noise}: {shown(covered, len(near))}")
    assert covered / len(near) >= 0.9


def with_outlier(values: Floats) -> Found:
    values[len(values) // 3] *= 3.0
    return ours(values)


def with_two_outliers(values: Floats) -> Found:
    values[-2:] *= 3.0
    return ours(values)


def quantized(values: Floats) -> Found:
    return ours(np.round(values / 0.03) * 0.03)


@pytest.mark.parametrize("disturbed", [with_outlier, with_two_outliers, quantized])
@pytest.mark.parametrize("noise", CALIBRATED)
def test_outliers_and_quantized_values_are_no_steps(
    noise: str, disturbed: Callable[[Floats], Found], print_line: PrintLine
) -> None:
    scene, count = Scene(noise), 2000
    alarms = hits(scene, over(scene, count, disturbed, seed=4))
    print_line(f"false alarms, {noise}, {disturbed.__name__.replace('_', ' ')}: {shown(alarms, count)}")
    assert alarms / count <= 0.02


def noise_doubled(values: Floats) -> Found:
    values[120:] += values[120:] - 1.0
    return ours(values)


def noise_quadrupled(values: Floats) -> Found:
    values[120:] += 3.0 * (values[120:] - 1.0)
    return ours(values)


def drift_2_percent(values: Floats) -> Found:
    return ours(values * np.linspace(1.0, 1.02, len(values)))


def drift_5_percent(values: Floats) -> Found:
    return ours(values * np.linspace(1.0, 1.05, len(values)))


def outliers_in_a_tenth(values: Floats) -> Found:
    rng = np.random.default_rng(int(values[0] * 1e9))
    return ours(values * np.where(rng.random(len(values)) < 0.1, rng.uniform(1.2, 3.0, len(values)), 1.0))


@pytest.mark.parametrize(
    ("disturbed", "least", "most"),
    [
        (noise_doubled, 0.0, 0.06),
        (noise_quadrupled, 0.0, 0.5),
        (drift_2_percent, 0.0, 0.05),
        (drift_5_percent, 0.9, 1.0),
        (outliers_in_a_tenth, 0.0, 0.15),
    ],
)
def test_limits(disturbed: Callable[[Floats], Found], least: float, most: float, print_line: PrintLine) -> None:
    """What the method is not made for, in normal noise."""
    scene, count = Scene("normal"), 1000
    alarms = hits(scene, over(scene, count, disturbed, seed=7))
    print_line(f"alarms, {disturbed.__name__.replace('_', ' ')}: {shown(alarms, count)}")
    assert least <= alarms / count <= most


def test_time(print_line: PrintLine) -> None:
    series = list(Scene("AR(1) rho .5", 1000, after=500).series(2000, seed=5))
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(ours, series[:2]))
        begin = time.perf_counter()
        found = list(pool.map(ours, series, chunksize=50))
        seconds = time.perf_counter() - begin
    assert sum(map(bool, found)) > 1900
    print_line(f"2000 series of 1000 values, two processes, {os.cpu_count()} cores: {seconds:.1f} s")
    assert seconds <= 60.0


@pytest.mark.parametrize("after", [0, 12, 24])
@pytest.mark.parametrize("noise", CALIBRATED)
def test_other_tools_on_the_same_series(noise: str, after: int, print_line: PrintLine) -> None:
    pytest.importorskip("otava.analysis", reason="pip install apache-otava")
    pytest.importorskip("asv.step_detect", reason="pip install asv")
    scene, count = Scene(noise, after=after), 500
    what = f"power, a step of 5% {after} values before the end" if after else "false alarms"
    rates = {name: hits(scene, over(scene, count, finder, seed=6)) for name, finder in FINDERS.items()}
    for name, number in rates.items():
        print_line(f"{what}, {noise}, {name}: {shown(number, count)}")
    if after:
        assert rates["bench_core"] >= max(rates["asv"], rates["asv, from 2%"])
    else:
        assert rates["bench_core"] < min(rates["Otava"], rates["Otava, from 2%"])
