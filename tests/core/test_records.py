"""Records, and the stored form of a measurement."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core import measure
from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import Record, Timing
from bench_core.core.studies import LadderRung, TimeToAccuracy
from bench_core.storage import files
from tests.support import factory


def test_real_measurement_survives_storage():
    timing = Timing.of(measure(lambda: sum(range(100)), max_time=0.05))
    record = factory.record(Case("mlp_train"), timing=timing)
    assert files.decode_record(files.encode(record), "here").timing == timing


MEASUREMENT = measure(lambda: None, max_time=0.01)


@given(st.integers(6, 2000))
def test_at_most_256_samples_are_stored_and_thinning_is_marked(count):
    timing = Timing.of(replace(MEASUREMENT, samples=(MEASUREMENT.median,) * count))
    assert len(timing.samples) == min(count, 256)
    assert timing.thinned is (count > 256)
    assert timing.count == count


@pytest.mark.parametrize("sample", [math.nan, math.inf, 0.0, -1e-3])
def test_timing_with_a_sample_that_is_not_a_time_is_refused(sample):
    timing = factory.record(Case("mlp_train")).timing
    with pytest.raises(RecordError, match="samples"):
        replace(timing, samples=(1e-3, sample))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"units": 0}, "units: 0"), ({"case": Case("mlp_train", batch_size=0)}, "case.batch_size: 0")],
)
def test_record_without_any_work_is_refused(change, message):
    with pytest.raises(RecordError, match=message):
        replace(factory.record(Case("mlp_train")), **change)


@pytest.mark.parametrize(
    "change", [{"error": math.nan}, {"error": math.inf}, {"error": -1.0}, {"tolerance": 0.0}, {"tolerance": math.inf}]
)
def test_parity_without_a_finite_error_and_tolerance_is_refused(change):
    parity = factory.record(Case("mlp_train")).parity
    assert parity is not None
    with pytest.raises(RecordError, match=next(iter(change))):
        replace(parity, **change)


def test_throughput_is_the_inverse_of_the_time_per_unit():
    record: Record = factory.record(Case("mlp_train", batch_size=64), 2e-3, units=32)
    assert record.throughput == pytest.approx(16_000)
    assert record.per_unit * record.throughput == pytest.approx(1.0)


def test_rows_of_a_study_are_read_by_their_kind_and_named_where_they_are_broken():
    info = factory.run(ladder=factory.ladder(), learning=factory.learning()).info
    assert info.rows(LadderRung) == factory.ladder()
    assert info.rows(TimeToAccuracy) == factory.learning()
    broken = replace(info, studies={"ladder": ({**info.studies["ladder"][0], "seconds": -1.0},)})
    assert broken.rows(TimeToAccuracy) == ()
    with pytest.raises(RecordError, match=r"studies\.ladder\[0\]\.seconds: -1\.0 is not a number above 0"):
        broken.rows(LadderRung)
