"""Which cases are measured again, for how long, and which measurement counts."""

from dataclasses import replace

import pytest

from bench_core.core.case import Case
from bench_core.core.results import Contention, Flag, FlagCode
from bench_core.execution import again
from bench_core.execution.again import Measured
from bench_core.execution.schedule import MEASURE_FACTOR
from tests.support import factory


def record(batch, switches=0, stolen=None, *, met=True, width=0.01, median=0.001):
    contention = Contention(1.0, switches, stolen, 0.0)
    flags = (Flag(FlagCode.CONTENTION, "other work"),) if switches or stolen else ()
    made = factory.record(Case("gemm", batch_size=batch), median, contention=contention, flags=flags)
    return replace(made, timing=replace(made.timing, met_target=met, rel_half_width=width))


def test_contended_cases_come_first_then_those_short_of_time_the_widest_first():
    clean = Measured(record(1), limit=0.1, full=1.0)
    contended = Measured(record(2, switches=500), limit=1.0, full=1.0)
    wide = Measured(record(3, met=False, width=0.3), limit=0.1, full=1.0)
    wider = Measured(record(4, met=False, width=None), limit=0.1, full=1.0)
    capped = Measured(record(5, met=False, width=0.3), limit=1.0, full=1.0)
    assert again.wanted([clean, wide, wider, capped, contended]) == [contended, wider, wide]


def test_a_case_gets_what_fits_if_that_is_worth_it():
    short = Measured(record(1, met=False), limit=0.2, full=1.0)
    fixed = short.fixed
    assert again.limit_within(short, 1000.0) == 1.0
    assert again.limit_within(short, fixed + MEASURE_FACTOR * 0.5) == pytest.approx(0.5)
    assert again.limit_within(short, fixed + MEASURE_FACTOR * 0.25) is None
    contended = Measured(record(1, switches=500), limit=0.2, full=1.0)
    assert again.limit_within(contended, fixed + MEASURE_FACTOR * 0.25) == pytest.approx(0.25)
    assert again.limit_within(contended, fixed) is None


@pytest.mark.parametrize("faster", [0.5, 2.0])
def test_contention_decides_which_measurement_counts_and_time_does_not(faster):
    quiet, busy = record(1), record(1, switches=900, median=0.001 * faster)
    assert again.counts(quiet, busy) is quiet
    assert again.counts(busy, quiet) is quiet
    later = record(1, median=0.001 * faster)
    assert again.counts(quiet, later) is later
    busier = record(1, switches=901, median=0.001 * faster)
    assert again.counts(busy, busier) is busy
    assert again.counts(busier, busy) is busy
    stolen = record(1, switches=900, stolen=0.5, median=0.001 * faster)
    assert again.counts(busy, stolen) is busy
