"""Values of series as CSV: what is written is read again, and what is not CSV of values is refused by its line."""

import contextlib
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.core.errors import RecordError
from bench_core.storage import values_csv
from bench_core.storage.values import BYTES, MEMORY, SECONDS, TIME, Origin, SeriesId, Value

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(',";'), max_size=12)
NUMBERS = st.floats(allow_nan=False)
TIMES = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
VALUES = st.builds(
    Value,
    st.builds(
        SeriesId,
        NAMES.filter(bool),
        NAMES.filter(bool),
        NAMES,
        NAMES,
        st.none() | st.integers(0, 10**6),
        NAMES,
        NAMES,
    ),
    st.builds(Origin, TIMES, st.none() | NAMES.filter(bool), st.none() | st.booleans(), NAMES),
    NUMBERS,
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | st.floats(0.0, 1.0),
)


def read(content, folder):
    path = folder / "values.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return values_csv.read(path)


@settings(max_examples=60)
@given(st.lists(VALUES, max_size=5))
def test_values_are_read_as_they_were_written(values):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "values.csv")
        values_csv.write(path, values)
        assert values_csv.read(path) == values


@settings(max_examples=150)
@given(
    st.text()
    | st.binary()
    | st.lists(st.sampled_from(["case", "started", "value", ",", "\n", '"', "1", "x", "2026-01-01"])).map("".join)
)
def test_any_other_content_is_read_or_refused_as_bad_input(content):
    content = content if isinstance(content, bytes) else content.encode(errors="replace")
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RecordError):
        assert all(isinstance(value, Value) for value in read(content, Path(folder)))


def test_three_columns_are_enough_in_any_order_beside_others(tmp_path):
    found = read("note,value,started,case\nx,0.5,2026-01-31 12:00+02:00,sort\n\ny,,2026-02-01,sort\n", tmp_path)
    assert found[0] == Value(SeriesId("sort", TIME, SECONDS), Origin("2026-01-31T10:00:00+00:00"), 0.5)
    assert math.isnan(found[1].value)
    assert found[1].origin.started == "2026-02-01T00:00:00+00:00"


def test_other_metrics_have_no_unit_of_their_own(tmp_path):
    found = read(f"case,metric,unit,started,value\na,rate,,2026-01-01,1\na,{MEMORY},,2026-01-01,1\n", tmp_path)
    assert [(value.series.metric, value.series.unit) for value in found] == [("rate", ""), (MEMORY, BYTES)]


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path):
    assert len(read("\ufeffcase,started,value\r\na,2026-01-01,1\r\n", tmp_path)) == 1


HEAD = "case,started,value,threads,dirty\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", ["has no column case, started, value"], id="empty"),
        pytest.param("case,value\na,1\n", ["has no column started"], id="no-started"),
        pytest.param("case,case,started,value\n", ["has the column case twice"], id="twice"),
        pytest.param(f"{HEAD}a,2026-01-01,fast,,\n", ["line 2", "value is 'fast'"], id="value"),
        pytest.param(f"{HEAD}a,2026-01-01,1,,\na,yesterday,1,,\n", ["line 3", "started is 'yesterday'"], id="started"),
        pytest.param(f"{HEAD}a,2026-01-01,1,-4,\n", ["line 2", "threads is '-4'"], id="threads"),
        pytest.param(f"{HEAD}a,2026-01-01,1,,perhaps\n", ["line 2", "dirty is 'perhaps'"], id="dirty"),
        pytest.param(f"{HEAD},2026-01-01,1,,\n", ["line 2", "case is empty"], id="case"),
        pytest.param(f"{HEAD}a,2026-01-01,1\n", ["line 2", "has 3 cells, the first line has 5"], id="cells"),
        pytest.param(b"case,started,value\n\xff,2026-01-01,1\n", ["UTF-8"], id="not-utf8"),
        pytest.param(f'{HEAD}"a"b,2026-01-01,1,,\n', ["is not CSV"], id="quotes"),
        pytest.param(f"{HEAD}{'a' * 200_000},2026-01-01,1,,\n", ["is not CSV", "limit"], id="huge-cell"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(content, words, tmp_path):
    with pytest.raises(RecordError) as error:
        read(content, tmp_path)
    for word in ("values.csv", *words):
        assert word in str(error.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(RecordError, match="cannot be read"):
        values_csv.read(tmp_path / "nowhere.csv")
