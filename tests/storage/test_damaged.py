"""Damaged stored runs: refused with their name, and never in the way of the others."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.storage.files import load, load_all
from tests.support import factory

RECORDS = [factory.record(Case("gemm", batch_size=batch), count=6) for batch in (1, 8)]
GOOD = factory.run(RECORDS, run_id="good")
DAMAGED = factory.run(RECORDS, run_id="damaged")


@pytest.fixture
def two_files(tmp_path):
    """The files of two runs, and the content of the second."""
    good = factory.store(GOOD, tmp_path / "0001_good.json")
    path = factory.store(DAMAGED, tmp_path / "0002_damaged.json", checksum=True)
    return good, path, path.read_bytes()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_file_is_named_or_reads_as_it_was_and_the_other_is_read(data, two_files):
    good, path, original = two_files
    at, length = data.draw(st.integers(0, len(original) - 1)), data.draw(st.integers(0, 40))
    path.write_bytes(original[:at] + data.draw(st.binary(max_size=40)) + original[at + length :])
    runs = {run.path: run for run in load_all([path.parent])}
    assert (runs[good].info, runs[good].records) == (GOOD.info, GOOD.records)
    if path in runs:
        assert (runs[path].info, runs[path].records) == (DAMAGED.info, DAMAGED.records)
    else:
        assert path.name in runs[good].skipped[-1]
        with pytest.raises(RecordError, match=r"0002_damaged\.json"):
            load(path)


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_file_cut_short_is_named_and_the_other_is_read(tmp_path, length):
    good = factory.store(GOOD, tmp_path / "0001_good.json")
    path = factory.store(GOOD, tmp_path / "0002_cut.json")
    path.write_bytes(path.read_bytes()[:length])
    (run,) = load_all([tmp_path])
    assert run.path == good
    assert "0002_cut.json" in run.skipped[0]
    with pytest.raises(RecordError, match=r"0002_cut\.json"):
        load_all([tmp_path, path])
