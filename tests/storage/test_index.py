"""The index of stored runs shows what is in the files now, whatever happened to them or to its cache."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import SCHEMA
from bench_core.core.results import Flag, FlagCode
from bench_core.storage import files, index_cache
from bench_core.storage.index import index
from tests.support import factory

OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of the cache, apart from that of the runs."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CORE_CACHE", str(folder))
    return folder


@pytest.fixture
def results(tmp_path):
    """A folder with two runs of three cases each."""
    folder = tmp_path / "results"
    factory.store(small(NEW), folder / "0001_new.json")
    factory.store(small(OLD), folder / "0002_old.json")
    return folder


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read."""
    names = []

    def load(path):
        names.append(path.name)
        return files.load(path)

    monkeypatch.setattr("bench_core.storage.index.load", load)
    return names


def small(started, batches=(1, 8, 64), **changes):
    return factory.run(factory.sweep(devices=("cpu",), batches=batches, one_thread_at=None), started=started, **changes)


def cache_file(cache):
    (path,) = (cache / "index").iterdir()
    return path


def rows(history):
    """What a history says of each record, by its run and case."""
    return {
        (history.runs[row["run"]].run_id, history.cases[row["case"]]): (
            history.series[row["series"]],
            *(repr(row[name]) for name in row.dtype.names if name not in ("run", "case", "series")),
        )
        for row in history.records
    }


def assert_same(history, other):
    assert (history.runs, history.notes) == (other.runs, other.notes)
    assert set(history.cases) == set(other.cases)
    assert set(history.series) == set(other.series)
    assert rows(history) == rows(other)


def anew(paths, cache):
    """The history without a cache."""
    for path in (cache / "index").glob("*"):
        path.unlink()
    return index(paths)


def test_history_has_the_figures_of_the_records(tmp_path):
    flags = (Flag(FlagCode.STOLEN_TIME, "other work"),)
    measured = factory.record(Case("gemm", device="cuda", batch_size=8), 2e-3, peak_memory=3 * 2**20, flags=flags)
    few = factory.record(Case("gemm", batch_size=8, threads=1), 1e-3, flags=(Flag(FlagCode.NOT_STEADY, "drifts"),))
    few = replace(few, timing=replace(few.timing, interval=None))
    run = factory.run([measured, few], partial=True)
    history = index([factory.store(run, tmp_path / "results" / "0001.json")])

    (row,) = history.runs
    assert row.path == tmp_path / "results" / "0001.json"
    for name in ("run_id", "started", "version", "machine", "commit", "dirty", "partial"):
        assert getattr(row, name) == getattr(run.info, name)
    assert [history.cases[i] for i in history.records["case"]] == [measured.case, few.case]
    series = [history.series[i] for i in history.records["series"]]
    assert [(one.device_model, one.threads) for one in series] == [("Synthetic GPU", 16), ("Synthetic CPU", 1)]
    assert {(one.hardware, one.software) for one in series} == {(run.info.machine.hardware, run.info.machine.software)}
    assert history.records["median"].tolist() == [measured.timing.median, few.timing.median]
    assert (history.records["low"][0], history.records["high"][0]) == measured.timing.interval
    assert np.isnan([history.records["low"][1], history.records["high"][1], history.records["peak_memory"][1]]).all()
    assert history.records["confidence"].tolist() == [0.95, 0.95]
    assert history.records["count"].tolist() == [40, 40]
    assert history.records["effective_samples"].tolist() == [40.0, 40.0]
    assert history.records["peak_memory"][0] == 3 * 2**20
    assert history.records["contended"].tolist() == [True, False]


def test_runs_and_their_records_come_oldest_first(results):
    history = index([results])
    assert [run.started for run in history.runs] == [OLD, NEW]
    assert history.records["run"].tolist() == [0, 0, 0, 1, 1, 1]
    assert history.notes == ()


def test_nothing_is_read_twice(results, reads):
    first = index([results])
    assert sorted(reads) == ["0001_new.json", "0002_old.json"]
    assert_same(index([results]), first)
    assert len(reads) == 2


def test_added_run_alone_is_read(results, reads, cache):
    index([results])
    reads.clear()
    factory.store(small("2026-01-15T00:00:00+00:00", batches=(8, 512)), results / "deep" / "0003.json")
    history = index([results])
    assert reads == ["0003.json"]
    assert [run.started for run in history.runs] == [OLD, "2026-01-15T00:00:00+00:00", NEW]
    assert_same(history, anew([results], cache))


def test_changed_run_alone_is_read_again(results, reads, cache):
    index([results])
    reads.clear()
    factory.store(small(NEW, batches=(1, 512)), results / "0001_new.json")
    history = index([results])
    assert reads == ["0001_new.json"]
    assert {case.batch_size for case in history.cases} == {1, 8, 64, 512}
    assert_same(history, anew([results], cache))


def test_file_of_the_same_size_with_another_time_is_read_again(results, reads):
    index([results])
    reads.clear()
    path = results / "0001_new.json"
    path.write_text(path.read_text().replace("digits stand-in", "digits stand-on"))
    os.utime(path, ns=(0, 12345))
    index([results])
    assert reads == ["0001_new.json"]


def test_deleted_run_vanishes_with_its_cases(results, cache):
    path = factory.store(small("2026-03-01T00:00:00+00:00", batches=(512,)), results / "0003.json")
    assert len(index([results]).cases) == 4
    path.unlink()
    history = index([results])
    assert [run.started for run in history.runs] == [OLD, NEW]
    assert len(history.cases) == 3
    assert_same(history, anew([results], cache))


def test_damaged_run_is_named_and_stops_no_other(results, reads):
    index([results])
    damaged = results / "0001_new.json"
    damaged.write_text(damaged.read_text()[:-100])
    for _ in range(2):
        history = index([results])
        assert [run.started for run in history.runs] == [OLD]
        assert len(history.notes) == 1
        assert str(damaged) in history.notes[0]
        assert "not complete JSON" in history.notes[0]
    factory.store(small(NEW), damaged)
    assert len(index([results]).runs) == 2


def test_records_of_a_newer_schema_are_named_each_time(results):
    path = results / "0001_new.json"
    document = json.loads(path.read_text())
    document["benchmarks"][0]["extra_info"][files.KEY]["schema"] = SCHEMA + 1
    path.write_text(json.dumps(document))
    for _ in range(2):
        history = index([results])
        assert len(history.records) == 5
        assert [f"schema {SCHEMA + 1}" in note for note in history.notes] == [True]


@pytest.mark.parametrize("order", [1, -1])
def test_of_one_run_the_most_complete_file_counts(tmp_path, order, cache):
    of_one_run = [
        small(OLD, batches=(1,), partial=True),
        small(OLD, batches=(1, 8, 64), partial=True),
        small(OLD, batches=(1, 8)),
    ]
    for number, run in enumerate(of_one_run[::order]):
        factory.store(run, tmp_path / "results" / f"{number}.json")
    history = index([tmp_path / "results"])
    assert [(run.run_id, run.partial) for run in history.runs] == [(of_one_run[0].info.run_id, False)]
    assert [case.batch_size for case in history.cases] == [1, 8]
    assert history.records["run"].tolist() == [0, 0]
    assert_same(history, anew([tmp_path / "results"], cache))


def test_of_equal_files_of_one_run_the_first_counts(tmp_path):
    for name in ("b.json", "a.json"):
        factory.store(small(OLD), tmp_path / "results" / name)
    assert [run.path.name for run in index([tmp_path / "results"]).runs] == ["a.json"]


def test_paths_are_those_that_the_user_gave(results, monkeypatch, reads):
    index([results])
    monkeypatch.chdir(results.parent)
    relative = index([results.relative_to(results.parent)])
    assert {str(run.path) for run in relative.runs} == {"results/0001_new.json", "results/0002_old.json"}
    assert len(reads) == 2, "the same files by another name are read once"


def test_each_selection_of_files_has_a_cache_of_its_own(results, reads):
    index([results])
    assert len(index([results / "0001_new.json"]).runs) == 1
    reads.clear()
    assert len(index([results]).runs) == 2
    assert reads == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"text", id="another-file"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: data.replace(b"Synthetic CPU", b"Synthetic GPU"), id="changed"),
    ],
)
def test_damaged_cache_is_made_anew(results, cache, damage, reads):
    before = index([results])
    path = cache_file(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert_same(index([results]), before)
    assert len(reads) == 4
    assert_same(index([results]), before)
    assert len(reads) == 4


def test_several_at_once_make_the_same_index(results, cache):
    with ThreadPoolExecutor(4) as pool:
        histories = list(pool.map(lambda _: index([results]), range(8)))
    for history in histories:
        assert_same(history, histories[0])
    assert_same(index([results]), anew([results], cache))
    assert len(list((cache / "index").iterdir())) == 1


def test_cache_of_another_format_or_version_is_made_anew(results, monkeypatch, reads):
    before = index([results])
    monkeypatch.setattr(index_cache, "FORMAT", index_cache.FORMAT + 1)
    assert_same(index([results]), before)
    monkeypatch.setattr(index_cache, "__version__", "999")
    assert_same(index([results]), before)
    assert len(reads) == 6


def test_without_a_cache_folder_the_index_is_kept_beside_the_runs(results, cache, reads):
    cache.write_text("a file where the folder should be")
    first = index([results])
    assert_same(index([results]), first)
    assert len(reads) == 2
    assert [path.suffix for path in results.glob(".*")] == [".npz"]


def test_index_that_can_be_kept_nowhere_is_made_each_time_and_says_so(results, cache, monkeypatch, reads):
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr(index_cache, "draft", lambda path: (_ for _ in ()).throw(OSError(28, "No space left")))
    for _ in range(2):
        history = index([results])
        assert len(history.runs) == 2
        assert [("cannot be kept" in note, "No space left" in note) for note in history.notes] == [(True, True)]
    assert len(reads) == 4


def test_missing_and_empty_folders_are_errors(tmp_path):
    with pytest.raises(RecordError, match="does not exist"):
        index([tmp_path / "nowhere"])
    with pytest.raises(RecordError, match="has no stored run"):
        index([tmp_path])


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of runs, its history, the bytes of its cache and where they are."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CORE_CACHE", str(folder / "cache"))
        factory.store(small(OLD), folder / "results" / "0001.json")
        history = index([folder / "results"])
        path = cache_file(folder / "cache")
        yield folder, history, path.read_bytes(), path


@settings(max_examples=50)
@given(st.data())
def test_cache_with_any_byte_changed_never_gives_another_history(kept, data):
    folder, history, good, path = kept
    place = data.draw(st.integers(0, len(good) - 1))
    path.write_bytes(good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CORE_CACHE", str(folder / "cache"))
        assert_same(index([folder / "results"]), history)
