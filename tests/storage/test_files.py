"""Stored runs: read as they were written, and refused in one line where something is wrong with them."""

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.core.case import Case
from bench_core.core.errors import NewerSchemaError, RecordError
from bench_core.core.records import SCHEMA
from bench_core.storage import fast_json, files
from bench_core.storage.files import KEY
from tests.support import factory


@pytest.fixture(autouse=True, scope="module", params=[True, False], ids=["by msgspec", "by Python"])
def parser(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_json, "AVAILABLE", request.param)
        yield


@pytest.fixture
def stored(tmp_path):
    return factory.store(factory.run(), tmp_path / "0001_run.json")


def rewrite(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def first_record(document):
    return document["benchmarks"][0]["extra_info"][KEY]


def test_stored_run_reads_back_as_it_was(tmp_path):
    run = factory.run(ladder=factory.ladder(), learning=factory.learning())
    loaded = files.load(factory.store(run, tmp_path / "0001_run.json"))
    assert loaded.records == run.records
    assert loaded.info == run.info


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1e-3])
@pytest.mark.parametrize("field", ["samples", "median"])
def test_times_that_are_not_positive_numbers_are_refused_with_file_and_field(stored, value, field):
    def spoil(document):
        timing = first_record(document)["timing"]
        timing[field] = value if field == "median" else [value, *timing["samples"]]

    rewrite(stored, spoil)
    with pytest.raises(RecordError, match=rf"0001_run\.json.*{field}"):
        files.load(stored)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r.pop("units"), "units: is missing"),
        (lambda r: r.update(units="64"), "units"),
        (lambda r: r.update(units=True), "units"),
        (lambda r: r.update(units=2**63), "units"),
        (lambda r: r["case"].update(batch_size=None), "case.batch_size"),
        (lambda r: r["case"].update(batch_size=0), "case.batch_size"),
        (lambda r: r["timing"].update(interval=[1.0]), "timing.interval"),
        (lambda r: r["timing"].update(samples={}), "timing.samples"),
        (lambda r: r["timing"].update(samples=[]), "timing.samples"),
        (lambda r: r.update(timing=None), "timing"),
        (lambda r: r.update(unavailable=[]), "unavailable"),
        (lambda r: r.update(flags=["not steady"]), r"flags\[0\]"),
        (lambda r: r.update(units=0), "units"),
        (lambda r: r["parity"].update(tolerance=0.0), "parity.tolerance"),
        (lambda r: r["timing"].update(cold_start=-1.0), "cold_start"),
        (lambda r: r["timing"].update(rel_half_width=float("nan")), "rel_half_width"),
        (lambda r: r["timing"].update(confidence=5.0), "confidence"),
        (lambda r: r["timing"].update(median=10**400), "median"),
        (lambda r: r["timing"]["interval"].__setitem__(0, 5e-324), "interval"),
        (lambda r: r.update(build_seconds=math.nan), "build_seconds: nan is not a finite number"),
        (
            lambda r: r["contention"].update(load_before=-math.inf),
            "contention.load_before: -inf is not a finite number",
        ),
        (lambda r: r["parity"]["errors"].update(outputs=math.nan), "parity.errors.outputs: nan is not a finite number"),
        (lambda r: r["timing"]["latency"].update(p95="slow"), "timing.latency.p95: 'slow' is not of type float"),
        (lambda r: r.update(novel={"parts": [1, math.inf]}), r"novel\.parts\[1\]: inf is not a finite number"),
    ],
)
def test_record_that_breaks_the_schema_is_refused_with_file_and_field(stored, change, word):
    rewrite(stored, lambda document: change(first_record(document)))
    with pytest.raises(RecordError, match=word) as caught:
        files.load(stored)
    assert "\n" not in str(caught.value)
    assert str(stored) in str(caught.value)


@pytest.mark.parametrize(
    ("studies", "word"),
    [
        ({"learning": [{"workload": "mlp_train"}]}, r"studies\.learning\[0\]\.device: is missing"),
        ({"ladder": [3]}, r"studies\.ladder\[0\]: is not an object"),
        ({"ladder": 3}, r"studies\.ladder: is not a list"),
        ({"energy": [{"joules": math.nan}]}, r"bench_core\.studies\.energy\[0\]\.joules: nan is not a finite number"),
    ],
)
def test_broken_rows_of_a_study_are_refused_with_file_and_field(stored, studies, word):
    rewrite(stored, lambda document: document[KEY].update(studies=studies))
    with pytest.raises(RecordError, match=rf"0001_run\.json: {word}"):
        files.load(stored)


def test_rows_of_an_unknown_study_are_kept(stored):
    rows = {"energy": [{"joules": 3.5, "parts": {"cpu": [1, None]}}]}
    rewrite(stored, lambda document: document[KEY].update(studies=rows))
    assert files.encode(files.load(stored).info)["studies"] == rows


def test_record_of_a_newer_schema_is_skipped_by_name(stored):
    rewrite(stored, lambda document: first_record(document).update(schema=SCHEMA + 1))
    run = files.load(stored)
    assert len(run.records) == len(factory.run().records) - 1
    assert len(run.skipped) == 1
    assert f"written in schema {SCHEMA + 1}, this bench-core reads up to {SCHEMA}" in run.skipped[0]
    assert factory.run().records[0].case.id in run.skipped[0]


def test_only_newer_records_are_an_error(stored):
    def newer(document):
        for bench in document["benchmarks"]:
            bench["extra_info"][KEY]["schema"] = SCHEMA + 1

    rewrite(stored, newer)
    with pytest.raises(NewerSchemaError, match="update bench-core"):
        files.load(stored)


def test_newer_run_is_skipped_among_others_and_an_error_alone(stored, tmp_path):
    other = factory.store(factory.run(), tmp_path / "0002_run.json")
    rewrite(other, lambda document: document[KEY].update(schema=99))
    runs = files.load_all([tmp_path])
    assert len(runs) == 1
    assert "0002_run.json" in runs[0].skipped[0]
    with pytest.raises(
        NewerSchemaError,
        match=f"written in schema 99, this bench-core reads up to {SCHEMA}; update bench-core",
    ):
        files.load_all([other])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hello", "not complete JSON"),
        ("", "not complete JSON"),
        ("[1, 2]", "not a stored run"),
        ('{"benchmarks": 3}', "not a stored run"),
        ('{"benchmarks": []}', "no bench-core run"),
    ],
)
def test_other_files_are_refused_in_one_line_each(tmp_path, text, word):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=word) as caught:
        files.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("extra", [None, [], "text", 3])
def test_extra_info_of_another_kind_is_not_a_record(stored, extra):
    rewrite(stored, lambda document: document["benchmarks"][0].update(extra_info=extra))
    assert len(files.load(stored).records) == len(factory.run().records) - 1


@pytest.mark.parametrize("text", ["[" * 100_000, '{"benchmarks": [], "n": ' + "9" * 5000 + "}"])
def test_json_that_python_itself_refuses_is_refused_with_the_file(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"file\.json"):
        files.load(path)


def test_what_others_store_in_the_file_may_be_anything(stored):
    def add(document):
        document["machine_info"]["load"] = math.nan
        document["benchmarks"][0]["extra_info"]["loss"] = math.inf
        document["benchmarks"][0]["stats"] = "none"

    rewrite(stored, add)
    assert files.load(stored).records == factory.run().records


def test_names_with_line_breaks_leave_the_message_one_line(stored):
    rewrite(stored, lambda document: document["benchmarks"][0].update(name="two\nlines"))
    rewrite(stored, lambda document: first_record(document)["unavailable"].update({"a\nfield": 3}))
    assert refusal(stored) == f"{stored}: two lines: unavailable.a field: 3 is not of type str"


def test_text_that_is_not_valid_unicode_survives(stored):
    rewrite(stored, lambda document: first_record(document).update(data="folder \udcff"))
    assert files.load(stored).records[0].data == "folder \udcff"


@st.composite
def damaged(draw, data):
    """The bytes of a file with some of them replaced, taken out or put in."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8) | st.integers(0, len(data))))
        data = data[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=4)) + data[end:]
    return data


PIECES = [bytes([mark]) for mark in b'"{}[],:-0'] + [b"", b"1e999", b"NaN", b"null", b"\\ud800", b"\\n", b"\xff"]
SMALL_RUN = json.dumps(factory.document(factory.run([factory.record(Case("mlp_train"), count=6)]))).encode()


def refusal(path):
    """The message with which a file is refused; empty if it is read. Any other error is a fault."""
    try:
        files.load(path)
    except RecordError as error:
        return str(error)
    return ""


@settings(max_examples=150)
@given(damaged(SMALL_RUN))
def test_file_with_damaged_bytes_is_read_or_refused_in_one_line(data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "0001_run.json"
        path.write_bytes(data)
        message = refusal(path)
    assert not message or message.startswith(f"{path}: ")
    assert "\n" not in message


def test_run_with_the_same_case_twice_is_refused(stored):
    rewrite(stored, lambda document: document["benchmarks"].append(document["benchmarks"][0]))
    with pytest.raises(RecordError, match="recorded 2 times"):
        files.load(stored)


def test_truncated_json_is_refused_with_the_file(stored):
    stored.write_text(stored.read_text()[:-200])
    with pytest.raises(RecordError, match=rf"{stored.name}.*not complete JSON"):
        files.load(stored)


def test_binary_file_is_refused_with_the_file(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(RecordError, match=r"file\.json.*not a text file"):
        files.load(path)


def test_empty_folder_and_missing_path_say_what_to_do(tmp_path):
    with pytest.raises(RecordError, match=r"has no stored run.*benchmark-autosave"):
        files.load_all([tmp_path])
    with pytest.raises(RecordError, match="does not exist"):
        files.load_all([tmp_path / "nowhere"])


def test_runs_come_oldest_first_and_each_file_once(tmp_path):
    late = factory.store(factory.run(started="2026-03-01T00:00:00+00:00"), tmp_path / "a" / "0001.json")
    early = factory.store(factory.run(started="2026-02-01T00:00:00+00:00"), tmp_path / "b" / "0002.json")
    runs = files.load_all([tmp_path, late])
    assert [run.path for run in runs] == [early, late]
