"""Numbers formatted for readers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core import text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.234e-5, "12.3 µs"), (9.999e-4, "1.00 ms"), (1.0, "1.00 s"), (1234.0, "1230 s"), (5e-10, "500 ps"),
        (2e-14, "20.0 fs"), (None, "–"),
    ],
)  # fmt: skip
def test_seconds_have_an_si_prefix_and_three_digits(value, expected):
    assert text.seconds(value) == expected


@given(st.floats(1e-14, 1e6))
def test_seconds_keep_three_significant_digits(value):
    number, unit = text.seconds(value).split()
    scale = {name: scale for scale, name in text.TIME_PREFIXES}[unit]
    assert float(number) * scale == pytest.approx(value, rel=0.00501)
    assert len(number.replace(".", "").lstrip("0")) >= 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (7, "7"), (999, "999"), (1024, "1.02k"), (6.72e6, "6.72M"), (0.5, "0.500"), (None, "–")],
)
def test_count_has_an_si_prefix_above_a_thousand(value, expected):
    assert text.count(value) == expected


def test_brief_numbers_have_no_zeros_at_their_end():
    assert [text.brief(value) for value in (10.0, 1.5, 0.0123, 1234.0)] == ["10", "1.5", "0.0123", "1230"]
    assert text.seconds(1e-5, number=text.brief) == "10 µs"
    assert text.count(2e6, number=text.brief) == "2M"
    assert text.ratio(0.5, number=text.brief) == "0.5×"


def test_intervals_name_their_open_ends():
    assert text.seconds_interval((9.98e-4, 1.02e-3)) == "998 to 1020 µs"
    assert text.seconds_interval(None) == "–"
    assert text.open_interval((3.8, 4.71)) == "3.80 to 4.71"
    assert text.open_interval((None, 4.71)) == "up to 4.71, open below"
    assert text.open_interval((3.8, None)) == "from 3.80, open above"
    assert text.open_interval((None, None)) == "open on both sides"


def test_memory_has_a_binary_prefix():
    assert [text.memory(v) for v in (None, 12, 2048, 80 * 2**30)] == ["–", "12 B", "2.00 KiB", "80.0 GiB"]


def written(words, encoding="ascii"):
    """What arrives in a file of an encoding."""
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding=encoding)
    text.make_writable(stream)
    stream.write(words)
    stream.flush()
    return file.getvalue().decode(encoding)


@given(st.text("abc µ±×–·…°é", max_size=20))
def test_what_an_encoding_lacks_is_written_in_ascii(words):
    assert written(words, "utf-8") == words
    assert ("?" in written(words)) is ("é" in words)


def test_a_time_without_the_micro_sign_keeps_its_unit():
    assert written(text.seconds(1.234e-5)) == "12.3 us"


def test_a_stream_that_is_no_file_is_left_alone():
    stream = io.StringIO()
    text.make_writable(stream)
    text.make_writable(None)
    assert stream.write("µs") == 2


def test_bytes_that_cannot_be_read_stay_an_error():
    text.make_writable(None)
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "ascii_only")
