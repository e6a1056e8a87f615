"""The checksum at the end of a stored run's file."""

import json

import pytest

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.storage.checksum import KEY, is_damaged, with_checksum
from bench_core.storage.files import load
from tests.support import factory

RUN = factory.run([factory.record(Case("gemm", batch_size=8), count=6)])
CONTENT = with_checksum(json.dumps(factory.document(RUN), indent=4))


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "0001_run.json"
    path.write_bytes(CONTENT)
    return path


def test_it_is_the_last_key_of_a_file_that_any_reader_of_json_reads():
    assert json.loads(CONTENT) == {**factory.document(RUN), KEY: json.loads(CONTENT)[KEY]}
    assert list(json.loads(CONTENT))[-1] == KEY


def test_a_file_as_it_was_written_is_not_damaged(stored):
    assert load(stored).records == RUN.records


def test_another_digit_is_seen_and_the_line_says_what_to_do(stored):
    median = repr(RUN.records[0].timing.median)
    other = median[:-1] + ("1" if median[-1] != "1" else "2")
    stored.write_bytes(CONTENT.replace(median.encode(), other.encode(), 1))
    with pytest.raises(RecordError, match=rf"0001_run\.json: was changed or damaged.*delete its last key \({KEY}\)"):
        load(stored)


def test_what_is_changed_on_purpose_can_be_read_without_the_key(stored):
    document = json.loads(CONTENT)
    document["bench_core"]["commit"] = "abc"
    del document[KEY]
    stored.write_text(json.dumps(document))
    assert load(stored).info.commit == "abc"


@pytest.mark.parametrize("form", [{"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_the_same_values_in_another_form_are_not_damaged(form):
    assert not is_damaged(json.dumps(json.loads(CONTENT), **form).encode())
    assert not is_damaged(CONTENT.replace(b"\n", b"\r\n"))


def test_other_values_in_another_form_are_damaged():
    document = json.loads(CONTENT)
    document["bench_core"]["commit"] = "abc"
    assert is_damaged(json.dumps(document).encode())


@pytest.mark.parametrize("damaged", [CONTENT[100:], CONTENT.replace(b"gemm", b"\xff", 1), b"[" * 5000 + CONTENT])
def test_what_is_not_json_but_ends_with_a_checksum_is_damaged(damaged):
    assert is_damaged(damaged)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", CONTENT[:-3], b"\xff" * 300])
def test_a_file_that_does_not_end_with_it_is_left_to_the_reader(content):
    assert not is_damaged(content)
