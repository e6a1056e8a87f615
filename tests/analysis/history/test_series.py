"""Series of stored runs and of other values: what is in which, in which order, and what is left out."""

import math
from dataclasses import replace

import pytest

from bench_core.analysis.history.series import LeftOut, collect
from bench_core.core.case import Case
from bench_core.storage.index import index
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME
from tests.support import factory
from tests.support.values import collected, origin, values

CASES = (Case("gemm", batch_size=1), Case("gemm", device="cuda", batch_size=1))
DAYS = [f"2026-01-{day:02d}T00:00:00+00:00" for day in range(1, 29)]


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Stores a run of these records, and gives the history of all runs stored so far."""
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "runs"

    def store(records, day, **facts):
        factory.store(factory.run(records, started=DAYS[day], **facts), folder / f"{len(list(folder.glob('*')))}.json")
        return index([folder])

    return store


def test_a_series_has_the_values_of_one_case_and_metric_oldest_first(stored):
    records = [factory.record(case, seconds=2e-3) for case in CASES]
    stored(records, 5, commit="b" * 40, dirty=True)
    history = stored([replace(record, timing=factory.timing(1e-3)) for record in records], 2, commit="a" * 40)
    found = collect(history)
    assert [(of.id.case, of.id.metric, of.id.unit) for of in found.series] == [
        ("gemm-cpu-b1-fp32-eager", TIME, SECONDS),
        ("gemm-cuda-b1-fp32-eager", MEMORY, BYTES),
        ("gemm-cuda-b1-fp32-eager", TIME, SECONDS),
    ]
    times, memory = found.series[0].values, found.series[1].values
    assert [value.value for value in times] == pytest.approx([1e-3, 2e-3])
    assert all(v.low and v.high and v.low < v.value < v.high and v.confidence == 0.95 for v in times)
    assert [(value.value, value.low) for value in memory] == [(64 * 2**20, None)] * 2
    assert [(v.origin.commit, v.origin.dirty) for v in times] == [("a" * 40, False), ("b" * 40, True)]
    assert (found.runs, found.span, found.machines) == (2, (DAYS[2], DAYS[5]), 1)
    assert found.left_out == LeftOut()


@pytest.mark.parametrize(
    "changed",
    [{"torch": "2.12.0"}, {"cpu": "Another CPU"}, {"usable_cpus": 8}, {"driver": "580.0"}],
    ids=lambda changed: next(iter(changed)),
)
def test_machines_and_software_versions_are_never_mixed(stored, changed):
    records = [factory.record(CASES[0])]
    stored(records, 1)
    found = collect(stored(records, 2, on=factory.machine(**changed)))
    assert [len(of.values) for of in found.series] == [1, 1]


@pytest.mark.parametrize("changed", [{"threads": 4}, {"device_model": "Another"}], ids=["threads", "device"])
def test_devices_and_threads_are_never_mixed(stored, changed):
    stored([factory.record(CASES[0])], 1)
    assert len(collect(stored([factory.record(CASES[0], **changed)], 2)).series) == 2


def test_contended_and_emulated_records_are_left_out_and_counted(stored):
    quiet, busy = factory.record(CASES[1]), factory.contended(factory.record(CASES[1]))
    stored([quiet], 1)
    stored([busy], 2)
    found = collect(stored([quiet], 3, on=factory.machine(emulated=True)))
    assert found.left_out == LeftOut(contended=1, emulated=1)
    assert [[value.origin.started for value in of.values] for of in found.series] == [[DAYS[1]], [DAYS[1]]]
    assert found.runs == 3


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_values_that_cannot_be_used_are_left_out_and_counted(bad):
    found = collected(values([1.0, bad, 2.0]))
    assert [value.value for value in found.series[0].values] == [1.0, 2.0]
    assert found.left_out == LeftOut(unusable=1)


def test_a_run_counts_once_also_if_it_is_in_a_stored_file_and_in_a_csv_file(stored):
    history = stored([factory.record(CASES[0])], 1)
    exported = [value for of in collect(history).series for value in of.values]
    found = collect(history, exported)
    assert [len(of.values) for of in found.series] == [1]
    assert found.runs == 1


def test_values_whose_run_is_not_known_are_all_kept():
    unknown = [replace(value, origin=origin(0, run="", commit=None)) for value in values([1.0, 2.0, 3.0])]
    assert [value.value for value in collected(unknown).series[0].values] == [1.0, 2.0, 3.0]


def test_cases_of_another_seed_have_another_name():
    case = Case("gemm")
    assert case.name == case.id
    assert replace(case, seed=3).name == f"{case.id}-seed3"


def test_without_anything_there_are_no_series():
    found = collected()
    assert (found.series, found.runs, found.span) == ((), 0, None)


def test_a_series_does_not_go_on_where_numbers_are_no_longer_cast_in_each_call(stored, tmp_path):
    stored([factory.record(replace(CASES[0], dtype="bf16"), kind="op")], 1)
    (path,) = (tmp_path / "runs").glob("*")
    path.write_text(path.read_text().replace('"schema": 3', '"schema": 2').replace('"schema":3', '"schema":2'))
    found = collect(stored([factory.record(replace(CASES[0], dtype="bf16"), kind="op")], 2))
    assert [(of.id.case, len(of.values)) for of in found.series] == [
        ("gemm-cpu-b1-bf16-autocast", 1),
        ("gemm-cpu-b1-bf16-eager", 1),
    ]
