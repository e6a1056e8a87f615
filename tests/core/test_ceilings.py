"""Ceilings as stored rows: what is refused, and what they give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core.ceilings import Ceilings, MemorySpeed
from bench_core.core.errors import RecordError
from tests.support import factory

(CPU, *_) = factory.ceilings(("cpu",))


def test_they_are_rows_of_a_study():
    run = factory.run(ceilings=factory.ceilings())
    assert run.info.rows(Ceilings) == factory.ceilings()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "fake"}, "not a real device"),
        ({"operator": 0.0}, "0.0 is not a number above 0"),
        ({"flops": {"fp32": float("nan")}}, "not a number above 0"),
        ({"link": -1.0}, "not a number above 0"),
        ({"copies": ()}, "ascending"),
        ({"copies": (MemorySpeed(8, 1.0), MemorySpeed(4, 1.0))}, "ascending"),
        ({"copies": (MemorySpeed(0, 1.0),)}, "ascending"),
        ({"streams": (MemorySpeed(8, 1.0), MemorySpeed(8, 1.0))}, "copies, streams: they are not in ascending"),
        ({"streams": (MemorySpeed(8, float("inf")),)}, "not a number above 0"),
    ],
)
def test_impossible_values_are_refused(changes, words):
    with pytest.raises(RecordError, match=words):
        factory.ceilings(("cpu",), **changes)


def test_the_default_dtype_may_use_tf32():
    (gpu,) = factory.ceilings(("cuda",), flops={"fp32": 1e12, "tf32": 8e12})
    assert (gpu.peak("default"), gpu.peak("fp32"), gpu.peak("bf16")) == (8e12, 1e12, None)
    assert CPU.peak("default") == CPU.peak("fp32")


def test_memory_is_as_fast_as_the_fastest_operators_and_in_older_runs_as_copies():
    (newer,) = factory.ceilings(("cuda",), streams=(MemorySpeed(2**15, 3e10), MemorySpeed(2**30, 4e12)))
    (older,) = factory.ceilings(("cuda",))
    assert [newer.bandwidth(2**30), older.bandwidth(2**30)] == pytest.approx([4e12, 3e12])


@given(st.integers(0, 2**45))
def test_bandwidth_is_between_that_of_the_measured_sizes(footprint):
    speeds = [copy.speed for copy in CPU.copies]
    assert min(speeds) * (1 - 1e-9) <= CPU.bandwidth(footprint) <= max(speeds) * (1 + 1e-9)
