"""Results of asv and pyperf, in the formats that they write."""

import contextlib
import copy
import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.core.errors import RecordError
from bench_core.storage.importing import asv, pyperf
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME

COLUMNS = [
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25",
    "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
]  # fmt: skip
"""All columns of asv's ``Results.save``; those at the end of a row are left out if they are null."""
MACHINE = {
    "arch": "x86_64",
    "cpu": "Synthetic CPU",
    "machine": "cheetah",
    "num_cpu": "8",
    "os": "Linux 6.1",
    "ram": "16G",
}
BENCHMARKS = {
    "bench.time_sort": {"name": "bench.time_sort", "params": [], "param_names": [], "type": "time", "unit": "seconds",
                        "version": "v1"},
    "bench.peakmem_grid": {"name": "bench.peakmem_grid", "params": [["10", "20"], ["'a'", "'b'"]],
                           "param_names": ["n", "kind"], "type": "peakmemory", "unit": "bytes", "version": "v1"},
    "bench.track_size": {"name": "bench.track_size", "params": [], "param_names": [], "type": "track", "unit": "words",
                         "version": "v1"},
    "version": 2,
}  # fmt: skip
RESULTS = {
    "bench.time_sort": [[0.5], [], "v1", 1_700_000_100_000, 2.5, [0.49], [0.52]],
    "bench.peakmem_grid": [[100, None, float("nan"), 400], [["10", "20"], ["'a'", "'b'"]], "v1"],
    "bench.track_size": [[7], [], "v1"],
}


def asv_result(
    folder, commit="abcdef12" * 5, date=1_700_000_000_000, results=RESULTS, env="py3.12-numpy2.1", **changes
):
    """A file of results as asv writes it."""
    machine = folder / "cheetah"
    machine.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.json").write_text(json.dumps(BENCHMARKS))
    (machine / "machine.json").write_text(json.dumps(MACHINE | {"version": 1}))
    data = {
        "commit_hash": commit, "env_name": env, "date": date,
        "params": MACHINE | {"numpy": "2.1", "python": "3.12"}, "python": "3.12", "requirements": {"numpy": "2.1"},
        "env_vars": {}, "result_columns": COLUMNS, "results": results, "durations": {"<build>": 3.5}, "version": 2,
    }  # fmt: skip
    path = machine / f"{commit[:8]}-{env}.json"
    path.write_text(json.dumps(data | changes))
    return path


class TestAsv:
    def test_results_become_values_with_their_parameters_and_intervals(self, tmp_path):
        asv_result(tmp_path)
        found = asv.read(tmp_path)
        assert [(v.series.case, v.series.metric, v.series.unit, v.value) for v in found.values] == [
            ("bench.time_sort", TIME, SECONDS, 0.5),
            ("bench.peakmem_grid(n=10, kind='a')", MEMORY, BYTES, 100.0),
            ("bench.peakmem_grid(n=20, kind='b')", MEMORY, BYTES, 400.0),
            ("bench.track_size", "track", "words", 7.0),
        ]
        time, memory, *_ = found.values
        assert (time.low, time.high, time.confidence) == (0.49, 0.52, 0.99)
        assert (memory.low, memory.high, memory.confidence) == (None, None, None)
        assert time.origin.started == "2023-11-14T22:13:20+00:00"
        assert (time.origin.commit, time.origin.dirty) == ("abcdef12" * 5, False)
        assert time.series.device == "Synthetic CPU"
        assert time.series.machine == "cheetah, x86_64, Synthetic CPU, CPUs 8, RAM 16G"
        assert time.series.software == "Linux 6.1, python 3.12, numpy 2.1"
        assert (found.files, found.notes) == (1, ("left out: 2 results failed or skipped",))

    def test_ends_that_asv_does_not_know_are_no_interval(self, tmp_path):
        once = [[0.5], [], "v1", 1_700_000_100_000, 2.5, [-float("inf")], [float("inf")]]
        asv_result(tmp_path, results={"bench.time_sort": once})
        (value,) = asv.read(tmp_path).values
        assert (value.low, value.high, value.confidence) == (None, None, None)

    def test_environments_are_different_software_and_runs(self, tmp_path):
        asv_result(tmp_path)
        asv_result(tmp_path, env="py3.13-numpy2.1", python="3.13")
        found = asv.read(tmp_path).values
        assert {v.series.software for v in found} == {f"Linux 6.1, python 3.{minor}, numpy 2.1" for minor in (12, 13)}
        assert len({v.origin.run for v in found}) == 2

    def test_other_versions_of_a_benchmark_and_removed_benchmarks_are_left_out_and_counted(self, tmp_path):
        old = {"bench.time_sort": [[0.9], [], "v0"], "bench.time_gone": [[0.1], [], "v1"], "bench.track_size": [[7]]}
        asv_result(tmp_path, results=old)
        found = asv.read(tmp_path)
        assert [v.series.case for v in found.values] == ["bench.track_size"]
        assert set(found.notes) == {
            "left out: 1 result of another version of the benchmark",
            "left out: 1 result not in benchmarks.json",
        }

    def test_a_benchmark_that_failed_altogether_has_no_value(self, tmp_path):
        failed = {"bench.peakmem_grid": [None, [["10", "20"], ["'a'", "'b'"]], "v1"], "bench.track_size": [[7]]}
        asv_result(tmp_path, results=failed)
        assert asv.read(tmp_path).notes == ("left out: 4 results failed or skipped",)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param('{"version": 1}', "is of version 1 of asv's format; run `asv update`", id="version-1"),
            pytest.param("{", "is not complete JSON", id="broken"),
            pytest.param('{"version": 2}', "is not a file of asv's results", id="no-results"),
            pytest.param("[]", "is not a JSON object", id="list"),
        ],
    )
    def test_files_that_cannot_be_read_are_named(self, content, words, tmp_path):
        asv_result(tmp_path)
        (tmp_path / "cheetah" / "bad.json").write_text(content)
        found = asv.read(tmp_path)
        assert len(found.values) == 4
        assert any("bad.json" in note and words in note for note in found.notes)

    def test_a_folder_that_is_not_asvs_is_refused(self, tmp_path):
        with pytest.raises(RecordError, match=r"benchmarks.json; name the folder of asv's results"):
            asv.read(tmp_path)
        (tmp_path / "benchmarks.json").write_text("{}")
        with pytest.raises(RecordError, match="has no results"):
            asv.read(tmp_path)


METADATA = {
    "cpu_count": 8, "cpu_model_name": "Synthetic CPU", "hostname": "apu", "loops": 64, "perf_version": "2.9.0",
    "platform": "Linux-6.1-x86_64", "python_implementation": "cpython", "python_version": "3.12.1 (64-bit)",
    "unit": "second", "commit_id": "abcdef12" * 5,
}  # fmt: skip


def pyperf_suite(**changes):
    """A suite of two benchmarks as pyperf writes it: the first process of each has calibrated only."""
    runs = [
        {"metadata": {"calibrate_loops": 64, "date": "2026-01-02 03:04:05.500000"}, "warmups": [[64, 2.0]]},
        *(
            {
                "metadata": {"date": f"2026-01-02 03:05:{i:02d}"},
                "values": [2.0 + i, 2.0 + i, 2.5 + i],
                "warmups": [[64, 3.0]],
            }
            for i in range(7)
        ),
    ]
    benchmarks = [{"metadata": {"name": name}, "runs": runs} for name in ("sort", "search")]
    return {"benchmarks": benchmarks, "metadata": METADATA, "version": "1.0"} | changes


class TestPyperf:
    def store(self, folder, data, name="suite.json"):
        path = folder / name
        content = data if isinstance(data, str) else json.dumps(data)
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return path

    @pytest.mark.parametrize("name", ["suite.json", "suite.json.gz"])
    def test_each_benchmark_has_one_value_its_median(self, tmp_path, name):
        found = pyperf.read([self.store(tmp_path, pyperf_suite(), name)])
        assert [v.series.case for v in found.values] == ["sort", "search"]
        value = found.values[0]
        assert value.value == 5.0
        assert value.low is not None
        assert value.high is not None
        assert value.low < value.value < value.high
        assert value.confidence == 0.95
        assert (value.series.metric, value.series.unit, value.series.device) == (TIME, SECONDS, "Synthetic CPU")
        assert value.series.machine == "apu, Synthetic CPU, CPUs 8"
        assert value.series.software == "cpython 3.12.1 (64-bit), Linux-6.1-x86_64"
        assert value.origin.started == "2026-01-02T03:04:05.500000+00:00"
        assert value.origin.commit == "abcdef12" * 5

    def test_the_time_of_the_commit_counts_if_it_is_known(self, tmp_path):
        dated = pyperf_suite(metadata=METADATA | {"commit_date": "2025-12-24T12:00:00+01:00"})
        (value, _) = pyperf.read([self.store(tmp_path, dated)]).values
        assert value.origin.started == "2025-12-24T11:00:00+00:00"

    def test_memory_is_in_bytes_and_one_process_has_no_interval(self, tmp_path):
        run = {"metadata": {"date": "2026-01-02 03:04:05"}, "values": [7360512]}
        data = {"benchmarks": [{"runs": [run]}], "metadata": METADATA | {"name": "m", "unit": "byte"}, "version": "1.0"}
        (value,) = pyperf.read([self.store(tmp_path, data)]).values
        assert (value.series.metric, value.series.unit, value.value, value.low) == (MEMORY, BYTES, 7360512.0, None)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            pytest.param("{", "is not complete JSON", id="broken"),
            pytest.param(pyperf_suite(version=5), "is not a file of pyperf in format 1.0", id="old"),
            pytest.param(pyperf_suite(benchmarks=[{"runs": [{"values": [1.0]}]}]), "has no date", id="no-date"),
            pytest.param(pyperf_suite(benchmarks=[{}]), "is not a file of pyperf's", id="no-runs"),
            pytest.param(pyperf_suite(benchmarks=[{"runs": []}]), "is not a file of pyperf's", id="empty-runs"),
        ],
    )
    def test_other_files_are_refused(self, data, words, tmp_path):
        with pytest.raises(RecordError, match=words) as error:
            pyperf.read([self.store(tmp_path, data)])
        assert "suite.json" in str(error.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=4,
)


def places(document, at=()):
    """The paths of all values in a JSON document."""
    yield at
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield from places(value, (*at, key))


def changed(document, data):
    """The document with anything in the place of one of its values."""
    *way, last = data.draw(st.sampled_from(list(places(document))[1:]))
    document = inside = copy.deepcopy(document)
    for key in way:
        inside = inside[key]
    inside[last] = data.draw(ANYTHING)
    return document


class TestDamagedFiles:
    """They are read or refused as bad input; nothing else is raised."""

    @settings(max_examples=60)
    @given(st.data())
    def test_of_pyperf(self, data):
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RecordError):
            path = Path(folder, "suite.json")
            path.write_text(json.dumps(changed(pyperf_suite(), data)))
            assert pyperf.read([path]).files == 1

    @settings(max_examples=60)
    @given(st.data())
    def test_of_asv(self, data):
        with tempfile.TemporaryDirectory() as name, contextlib.suppress(RecordError):
            folder = Path(name)
            result = asv_result(folder)
            damaged = data.draw(st.sampled_from([result, folder / "benchmarks.json"]))
            damaged.write_text(json.dumps(changed(json.loads(damaged.read_text()), data)))
            assert asv.read(folder).files == 1
