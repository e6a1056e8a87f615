"""The energy of a case, from counters and a clock that are known."""

import pytest

from bench_core.core.errors import CounterError, RecordError
from bench_core.core.results import Energy
from bench_core.core.step import Step
from bench_core.execution.energy import WINDOW, measure_energy
from bench_core.hardware.energy import Counters


class Machine:
    """A call takes a time and an energy that are known."""

    def __init__(self, seconds: float, joules: float) -> None:
        self.now, self.spent = 100.0, 5000.0
        self._seconds, self._joules = seconds, joules

    def call(self) -> None:
        self.now += self._seconds
        self.spent += self._joules

    def step(self) -> Step:
        return Step(fn=self.call, units=1, flops=None, devices=("cpu",), data="")  # type: ignore[arg-type]


class Counter:
    def __init__(self, of: Machine, boundary: str = "board", fails_after: int = 100) -> None:
        self.of, self.boundary, self.left = of, boundary, fails_after

    def read(self) -> float:
        self.left -= 1
        if self.left < 0:
            raise CounterError(f"{self.boundary}: lost")
        return self.of.spent

    def between(self, before: float, after: float) -> float:
        return after - before


class Stuck(Counter):
    def read(self) -> float:
        return 7.0


@pytest.mark.parametrize("call", [1e-4, 0.3, 5.0])
def test_energy_is_that_of_the_calls_in_a_window_that_is_long_enough(call):
    machine = Machine(call, 0.25)
    found = measure_energy(machine.step(), call, Counters((Counter(machine),), ()), lambda: machine.now)
    (energy,) = found.energy
    assert energy.per_call == pytest.approx(0.25)
    assert energy.seconds == pytest.approx(energy.calls * call)
    assert max(WINDOW, call) <= energy.seconds + 1e-9 < WINDOW + call + 1e-3
    assert found.missing == ()


def test_each_boundary_has_its_own_figure_and_the_missing_ones_a_reason():
    machine = Machine(0.5, 2.0)
    all_counters = (
        Counter(machine, "board"),
        Stuck(machine, "stuck"),
        Counter(machine, "dead", fails_after=0),
        Counter(machine, "dying", fails_after=1),
    )
    found = measure_energy(machine.step(), 0.5, Counters(all_counters, ("none of X",)), lambda: machine.now)
    assert [energy.boundary for energy in found.energy] == ["board"]
    assert found.missing == (
        "none of X",
        "dead: lost",
        "dying: lost",
        "stuck: the counter did not move in 2.0 s",
    )


def test_without_a_counter_nothing_is_called():
    machine = Machine(1.0, 1.0)
    assert measure_energy(machine.step(), 1.0, Counters((), ("none",)), lambda: machine.now).missing == ("none",)
    assert machine.now == 100.0


@pytest.mark.parametrize("values", [(0.0, 1.0, 1), (1.0, 0.0, 1), (1.0, 1.0, 0), (float("nan"), 1.0, 1)])
def test_impossible_figures_are_refused(values):
    with pytest.raises(RecordError):
        Energy("board", *values)
