"""The journal of a run: what is on the disk at every moment, and what a full disk or a vanished folder does."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench_core.core.case import Case
from bench_core.core.errors import BenchError, NewerSchemaError, RecordError, StorageError
from bench_core.core.records import SCHEMA, NotRun, Outcome
from bench_core.storage.journal import Journal, as_line, from_line, is_live, unfinished
from bench_core.storage.journaled import Journaled, read, read_start
from tests.support import factory

RUN = factory.run(factory.sweep(batches=(1, 8)))
FAILED = NotRun("gemm-cpu-b8-fp32-eager", Outcome.FAILED, "RuntimeError: no")
ROWS = {name: list(rows) for name, rows in factory.studies(*factory.ladder(("cpu",))).items()}
HOLD = """
import os, sys, time
from pathlib import Path
from bench_core.storage.journal import Journal
journal = Journal.reopen(Path(sys.argv[1]))
os.write(1, b"held\\n")
sys.stdin.readline()
"""


@pytest.fixture
def journal(tmp_path):
    journal = Journal.create(tmp_path / "new", RUN.info, changes="abc")
    yield journal
    journal.close()


def fill(journal):
    for record in RUN.records:
        journal.note_record(record, {"name": f"test[{record.case.id}]"})
    journal.note_not_run(FAILED)
    journal.note_study("ladder-cpu", ROWS)


def test_each_entry_is_there_as_soon_as_it_is_noted(journal):
    assert (read(journal.path).info, read(journal.path).changes) == (RUN.info, "abc")
    for count, record in enumerate(RUN.records, start=1):
        journal.note_record(record, {"name": "x"})
        assert read(journal.path).records == RUN.records[:count]
    journal.note_not_run(FAILED)
    assert read(journal.path).not_run == (FAILED,)
    journal.note_study("ladder-cpu", ROWS)
    assert read(journal.path).studied == {"ladder-cpu": ROWS}
    assert read(journal.path).partial
    journal.note_finish(partial=False)
    assert not read(journal.path).partial
    assert journal.problem is None


def test_facts_of_a_journal_are_those_of_its_run(journal):
    fill(journal)
    journal.note_study("ladder-cuda", ROWS)
    facts = read(journal.path).facts
    assert facts.partial
    assert facts.not_run == (FAILED,)
    assert facts.studied == ("ladder-cpu", "ladder-cuda")
    assert facts.studies == {"ladder": (*ROWS["ladder"], *ROWS["ladder"])}
    assert (facts.run_id, facts.started, facts.machine) == (RUN.info.run_id, RUN.info.started, RUN.info.machine)


def test_the_start_is_read_without_the_entries_that_follow(journal):
    journal.note_record(RUN.records[0])
    start, record, _ = journal.path.read_bytes().split(b"\n")
    newer = from_line(record)
    newer["record"]["schema"] = SCHEMA + 1
    journal.path.write_bytes(start + b"\n" + as_line(newer))
    with pytest.raises(NewerSchemaError):
        read(journal.path)
    assert read_start(journal.path) == RUN.info


def test_the_last_entry_about_a_case_counts(journal):
    record = factory.record(Case("gemm", batch_size=8))
    journal.note_not_run(FAILED)
    journal.note_record(record)
    assert (read(journal.path).not_run, read(journal.path).records) == ((), (record,))
    again = factory.record(record.case, 2e-3)
    journal.note_record(again)
    journal.note_not_run(FAILED)  # its teardown failed
    assert (read(journal.path).not_run, read(journal.path).records) == ((FAILED,), (again,))


def test_a_line_cut_short_at_any_byte_costs_that_line_alone(journal):
    journal.note_record(RUN.records[0])
    complete = journal.path.read_bytes()
    journal.note_record(RUN.records[1])
    whole = journal.path.read_bytes()
    for length in range(len(complete), len(whole) - 1, 97):
        journal.path.write_bytes(whole[:length])
        assert read(journal.path).records == RUN.records[:1]
    journal.path.write_bytes(whole[:-1])  # only the end of the line is missing
    assert read(journal.path).records == RUN.records[:2]


def test_a_continued_journal_goes_on_after_a_line_cut_short(journal):
    journal.note_record(RUN.records[0])
    journal.note_record(RUN.records[1])
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes()[:-50])
    continued = Journal.reopen(journal.path)
    continued.note_record(RUN.records[2])
    continued.close()
    held = read(journal.path)
    assert (held.records, held.damaged) == ((RUN.records[0], RUN.records[2]), 1)


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    """The bytes of a small journal, and what it holds."""
    journal = Journal.create(tmp_path_factory.mktemp("noted"), RUN.info)
    for batch in (1, 8):
        journal.note_record(factory.record(Case("gemm", batch_size=batch), count=6))
    journal.note_not_run(FAILED)
    journal.note_study("ladder-cpu", ROWS)
    journal.close()
    return journal.path.read_bytes(), read(journal.path)


def is_part_of(held: Journaled, whole: Journaled) -> bool:
    """Whether all that is held is in the whole, unchanged."""
    entries = [(journal.records, journal.not_run, journal.studied.items()) for journal in (held, whole)]
    pairs = zip(*entries, strict=True)
    return held.info == whole.info and all(entry in present for here, present in pairs for entry in here)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_changed_byte_changes_a_figure(data, noted, tmp_path):
    (original, whole), path = noted, tmp_path / "changed.journal"
    at = data.draw(st.integers(0, len(original) - 1))
    length = data.draw(st.integers(0, 40))
    changed = original[:at] + data.draw(st.binary(max_size=40)) + original[at + length :]
    path.write_bytes(changed)
    try:
        held = read(path)
    except RecordError:  # the first entry is damaged
        assert at <= original.index(b"\n")
        return
    assert is_part_of(held, whole)
    lost = len(whole.records) - len(held.records) + len(whole.not_run) - len(held.not_run)
    assert lost + len(whole.studied) - len(held.studied) <= 1 + original[at : at + length].count(b"\n")


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"00000000 {}\n", b"\xff\xfe\n" * 3])
def test_a_file_without_the_runs_facts_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "x.journal"
    path.write_bytes(content)
    for reader in (read, read_start):
        with pytest.raises(RecordError, match=r"x\.journal: has no readable first entry"):
            reader(path)
        with pytest.raises(RecordError, match="cannot be read"):
            reader(tmp_path / "nowhere.journal")


def test_a_full_disk_ends_nothing_and_what_was_noted_follows_when_there_is_room(journal, monkeypatch):
    room = 100
    write = os.write

    def write_while_there_is_room(file, data):
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, data[:room])
        room -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_while_there_is_room)
        journal.note_record(RUN.records[0])
        journal.note_record(RUN.records[1])
    assert f"{journal.path}: the journal cannot be written (No space left" in journal.problem
    assert (read(journal.path).records, read(journal.path).damaged) == ((), 0)
    journal.note_record(RUN.records[2])
    assert (read(journal.path).records, read(journal.path).damaged) == (RUN.records[:3], 0)


def test_a_folder_that_vanishes_ends_nothing(journal):
    shutil.rmtree(journal.path.parent)
    fill(journal)
    assert "it was deleted" in journal.problem
    journal.remove()


def test_a_journal_that_cannot_be_created_ends_nothing(tmp_path):
    (tmp_path / "file").touch()
    journal = Journal.create(tmp_path / "file" / "below", RUN.info)
    fill(journal)
    assert journal.problem
    assert "cannot be written" in journal.problem
    assert "\n" not in journal.problem
    journal.remove()


def test_the_journal_of_a_run_that_was_saved_is_deleted(journal):
    fill(journal)
    journal.remove()
    assert list(journal.path.parent.iterdir()) == []


def newest_unfinished(folder):
    return next(unfinished(folder), None)


def test_a_journal_that_a_process_writes_to_is_neither_continued_nor_found(journal):
    journal.close()
    assert newest_unfinished(journal.path.parent) == journal.path
    command = [sys.executable, "-c", HOLD, str(journal.path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_live(journal.path)
        assert newest_unfinished(journal.path.parent) is None
        with pytest.raises(StorageError, match="still under way"):
            Journal.reopen(journal.path)
        holder.kill()
    assert newest_unfinished(journal.path.parent) == journal.path


def test_a_child_that_outlives_a_killed_run_does_not_hold_its_journal(journal):
    journal.close()
    orphaning = HOLD.replace(
        "os.write(", "os.fork() or (os.write(1, b'child\\n'), os.close(1), time.sleep(600))\nos.write("
    )
    command = [sys.executable, "-c", orphaning, str(journal.path)]
    root = Path(__file__).parents[2]
    holder = subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert holder.stdout is not None
        assert {holder.stdout.readline() for _ in range(2)} == {"child\n", "held\n"}
        assert is_live(journal.path)
        holder.kill()
        holder.wait()
        assert not is_live(journal.path)
    finally:
        os.killpg(holder.pid, 9)
        holder.communicate()


def test_a_newer_journal_comes_before_an_older_one(tmp_path):
    for second, run_id in enumerate(("b", "a")):
        journal = Journal.create(tmp_path, factory.run(run_id=run_id).info)
        journal.close()
        os.utime(journal.path, (second, second))
    assert newest_unfinished(tmp_path) == tmp_path / "a.journal"


def test_every_error_is_one_of_bad_input(tmp_path):
    assert issubclass(RecordError, BenchError)
    with pytest.raises(StorageError, match="cannot be written to"):
        Journal.reopen(tmp_path / "nowhere.journal")
