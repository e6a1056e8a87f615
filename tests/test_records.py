import copy
import json
import math

import factory
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core import measure
from bench_core.core import records
from bench_core.core.case import Case
from bench_core.core.errors import NewerSchemaError, RecordError
from bench_core.core.records import KEY, Record, RunInfo, Timing
from bench_core.storage import files


@pytest.fixture
def stored(tmp_path):
    return factory.store(factory.run(), tmp_path / "0001_run.json")


def rewrite(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def first_record(document):
    return document["benchmarks"][0]["extra_info"][KEY]


def test_a_stored_run_reads_back_as_it_was(stored):
    run = files.load(stored)
    assert run.records == factory.run().records
    assert run.info == factory.run().info


def test_a_real_measurement_survives_storage():
    m = measure(lambda: sum(range(100)), max_time=0.05)
    timing = Timing.of(m)
    record = factory.record(Case("mlp_train"))
    data = files.encode(Record(**{**vars(record), "timing": timing}))
    assert files.decode(Record, json.loads(json.dumps(data)), "here").timing == timing


@given(st.integers(6, 2000))
def test_at_most_256_samples_are_stored_and_thinning_is_marked(count):
    m = measure(lambda: None, max_time=0.01)
    many = Timing.of(type(m)(**{**vars(m), "samples": (m.median,) * count}))
    assert len(many.samples) == min(count, 256)
    assert many.thinned is (count > 256)
    assert many.count == count


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1e-3])
@pytest.mark.parametrize("place", ["samples", "median"])
def test_times_that_are_none_are_refused_by_name(stored, value, place):
    def spoil(document):
        timing = first_record(document)["timing"]
        timing[place] = value if place == "median" else [value, *timing["samples"]]

    rewrite(stored, spoil)
    with pytest.raises(RecordError, match=rf"0001_run\.json.*{place}"):
        files.load(stored)


def test_broken_times_are_not_stored_either():
    record = factory.record(Case("mlp_train"))
    with pytest.raises(RecordError, match="samples"):
        Timing(**{**vars(record.timing), "samples": (1e-3, math.nan)})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r.pop("units"), "units: is missing"),
        (lambda r: r.update(units="64"), "units"),
        (lambda r: r.update(units=True), "units"),
        (lambda r: r.update(novel=1), "novel"),
        (lambda r: r["case"].update(batch_size=None), "case.batch_size"),
        (lambda r: r["timing"].update(interval=[1.0]), "timing.interval"),
        (lambda r: r["timing"].update(samples={}), "timing.samples"),
        (lambda r: r["timing"].update(samples=[]), "timing.samples"),
        (lambda r: r.update(timing=None), "timing"),
        (lambda r: r.update(unavailable=[]), "unavailable"),
        (lambda r: r.update(units=0), "units"),
        (lambda r: r["timing"].update(cold_start=-1.0), "cold_start"),
        (lambda r: r["timing"].update(rel_half_width=float("nan")), "rel_half_width"),
        (lambda r: r["timing"].update(confidence=5.0), "confidence"),
        (lambda r: r["timing"].update(median=10**400), "median"),
    ],
)
def test_a_record_that_breaks_the_schema_is_named_with_its_field(stored, change, word):
    rewrite(stored, lambda document: change(first_record(document)))
    with pytest.raises(RecordError, match=word) as caught:
        files.load(stored)
    assert "\n" not in str(caught.value)
    assert str(stored) in str(caught.value)


def test_a_record_of_a_newer_schema_is_passed_over_by_name(stored):
    rewrite(stored, lambda document: first_record(document).update(schema=records.SCHEMA + 1))
    run = files.load(stored)
    assert len(run.records) == len(factory.run().records) - 1
    assert len(run.skipped) == 1
    assert "schema 2" in run.skipped[0]
    assert factory.run().records[0].case.id in run.skipped[0]


def test_newer_records_alone_are_an_error(stored):
    def newer(document):
        for bench in document["benchmarks"]:
            bench["extra_info"][KEY]["schema"] = records.SCHEMA + 1

    rewrite(stored, newer)
    with pytest.raises(NewerSchemaError, match="update bench-core"):
        files.load(stored)


def test_a_newer_run_is_passed_over_among_others_and_an_error_alone(stored, tmp_path):
    other = factory.store(factory.run(), tmp_path / "0002_run.json")
    rewrite(other, lambda document: document[KEY].update(schema=99))
    runs = files.load_all([tmp_path])
    assert len(runs) == 1
    assert "0002_run.json" in runs[0].skipped[0]
    with pytest.raises(NewerSchemaError):
        files.load_all([other])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hello", "not whole JSON"),
        ("", "not whole JSON"),
        ("[1, 2]", "not a stored run"),
        ('{"benchmarks": 3}', "not a stored run"),
        ('{"benchmarks": []}', "no bench-core run"),
    ],
)
def test_files_that_are_no_stored_run_get_one_line_each(tmp_path, text, word):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=word) as caught:
        files.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("extra", [None, [], "text", 3])
def test_extra_info_of_another_kind_is_no_record(stored, extra):
    rewrite(stored, lambda document: document["benchmarks"][0].update(extra_info=extra))
    assert len(files.load(stored).records) == len(factory.run().records) - 1


@pytest.mark.parametrize("text", ["[" * 100_000, '{"benchmarks": [], "n": ' + "9" * 5000 + "}"])
def test_files_that_python_itself_refuses_are_named(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"file\.json"):
        files.load(path)


def test_a_run_holds_every_case_once(stored):
    rewrite(stored, lambda document: document["benchmarks"].append(document["benchmarks"][0]))
    with pytest.raises(RecordError, match="recorded 2 times"):
        files.load(stored)


def test_truncated_json_is_named(stored):
    stored.write_text(stored.read_text()[:-200])
    with pytest.raises(RecordError, match="not whole JSON"):
        files.load(stored)


def test_a_binary_file_is_named(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RecordError, match="not a text file"):
        files.load(path)


def test_an_empty_folder_and_a_missing_path_say_what_to_do(tmp_path):
    with pytest.raises(RecordError, match=r"holds no stored run.*benchmark-autosave"):
        files.load_all([tmp_path])
    with pytest.raises(RecordError, match="does not exist"):
        files.load_all([tmp_path / "nowhere"])


def test_runs_come_oldest_first_and_no_file_twice(tmp_path):
    late = factory.store(factory.run(started="2026-03-01T00:00:00+00:00"), tmp_path / "a" / "0001.json")
    early = factory.store(factory.run(started="2026-02-01T00:00:00+00:00"), tmp_path / "b" / "0002.json")
    runs = files.load_all([tmp_path, late])
    assert [run.path for run in runs] == [early, late]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def complaint(kind, data):
    """What decoding says is wrong; empty if nothing is."""
    try:
        files.decode(kind, data, "file")
    except RecordError as error:
        return str(error)
    return ""


@given(json_values)
def test_any_json_is_either_read_or_refused_in_one_line(data):
    assert "\n" not in complaint(Record, data) + complaint(RunInfo, data)


@given(st.data())
def test_any_field_of_a_record_may_be_spoilt_without_a_traceback(data):
    record = files.encode(factory.record(Case("mlp_train")))
    spoilt = copy.deepcopy(record)
    where = spoilt if data.draw(st.booleans()) else spoilt["timing"]
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(json_values)
    said = complaint(Record, spoilt)
    assert not said or said.startswith("file: ")
