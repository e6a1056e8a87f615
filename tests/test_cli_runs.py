"""The commands that keep runs: recover and merge, as their users start them, in a process of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench_core.core.case import Case
from bench_core.core.records import NotRun, Outcome
from bench_core.storage.files import load
from bench_core.storage.journal import Journal
from tests.support import factory
from tests.test_cli import assert_refused, run

RECORDS = [factory.record(Case(name, batch_size=64)) for name in ("mlp_train", "mlp_infer")]
FAILED = NotRun("mlp_train-cpu-b8-fp32-eager", Outcome.FAILED, "RuntimeError: no")


def journal_of(folder, run_id="died"):
    """The journal of a run that died after two cases, a failure and a study."""
    journal = Journal.create(folder, factory.run([], run_id=run_id, commit="abc").info)
    for record in RECORDS:
        name = f"test_workload[{record.case.id}]"
        shown = {"group": "mlp_train", "name": name, "fullname": f"benchmarks/test.py::{name}", "params": None}
        journal.note_record(record, shown)
    journal.note_not_run(FAILED)
    journal.note_study("ladder-cpu", {name: list(rows) for name, rows in factory.studies(*factory.ladder()).items()})
    journal.close()
    return journal.path


def stored_in(folder):
    return sorted(folder.rglob("*.json"))


def test_a_journal_becomes_a_stored_run_and_is_deleted(tmp_path):
    journal = journal_of(tmp_path / "machine")
    factory.store(factory.run(), tmp_path / "machine" / "0041_other.json")
    result = run("recover", tmp_path)
    assert result.returncode == 0, result.stderr
    path = tmp_path / "machine" / "0042_abc_20260102T030405_recovered.json"
    assert "3 results written to" in result.stdout
    assert str(path) in result.stdout
    assert not journal.exists()
    recovered = load(path)
    assert recovered.records == tuple(RECORDS)
    assert recovered.info.partial
    assert recovered.info.not_run == (FAILED,)
    assert recovered.info.studied == ("ladder-cpu",)
    assert recovered.info.studies == factory.studies(*factory.ladder())
    bench = json.loads(path.read_text())["benchmarks"][0]
    samples = RECORDS[0].timing.samples
    assert (bench["group"], bench["fullname"]) == ("mlp_train", f"benchmarks/test.py::{bench['name']}")
    assert (bench["stats"]["min"], bench["stats"]["max"]) == (min(samples), max(samples))
    assert (bench["stats"]["rounds"], bench["stats"]["iterations"]) == (len(samples), 1)
    assert run("recover", tmp_path).stdout == "No unfinished run.\n"


def test_what_was_recovered_is_reported_and_compared_by_both_tools(tmp_path):
    journal_of(tmp_path)
    run("recover", tmp_path)
    (path,) = stored_in(tmp_path)
    assert run("report", tmp_path, "--out", tmp_path / "out").returncode == 0
    compared = run("compare", path, path)
    assert "2 SAME" in compared.stdout, compared.stdout + compared.stderr
    tool = shutil.which("pytest-benchmark", path=str(Path(sys.executable).parent))
    command = [tool] if tool else [sys.executable, "-m", "pytest_benchmark"]
    theirs = subprocess.run([*command, "compare", path], capture_output=True, text=True, check=True, timeout=120)
    assert all(record.case.id in theirs.stdout for record in RECORDS)


def test_a_run_that_is_stored_already_is_not_stored_again(tmp_path):
    journal = journal_of(tmp_path)
    content = journal.read_bytes()
    run("recover", journal)
    journal.write_bytes(content)
    result = run("recover", journal)
    assert "are in" in result.stdout
    assert (len(stored_in(tmp_path)), journal.exists()) == (1, False)


def test_damaged_lines_are_counted_and_the_journal_is_kept_under_another_name(tmp_path):
    journal = journal_of(tmp_path)
    content = journal.read_bytes()
    at = content.index(b"mlp_train-cpu") if b"mlp_train-cpu" in content else content.index(b'"record"')
    journal.write_bytes(content[:at] + b"?" + content[at + 1 :])
    result = run("recover", journal)
    kept = journal.with_suffix(".journal-damaged")
    assert "2 results written" in result.stdout
    assert "1 of its lines damaged or cut short" in result.stdout
    assert kept.name in result.stdout
    assert (kept.exists(), journal.exists()) == (True, False)
    assert load(stored_in(tmp_path)[0]).records == (RECORDS[1],)


def test_a_journal_without_a_result_is_deleted_and_nothing_stored(tmp_path):
    Journal.create(tmp_path, factory.run([]).info).close()
    result = run("recover", tmp_path)
    assert "had no result" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_recovered_is_named_and_the_others_are(tmp_path):
    live = Journal.reopen(journal_of(tmp_path, "live"))
    (tmp_path / "garbage.journal").write_text("garbage\n")
    journal_of(tmp_path, "died")
    result = run("recover", tmp_path)
    live.close()
    assert result.returncode == 2
    assert "live.journal: its run is still under way" in result.stderr
    assert "garbage.journal: has no readable first entry" in result.stderr
    assert [load(path).info.run_id for path in stored_in(tmp_path)] == ["died"]
    assert {path.name for path in tmp_path.glob("*.journal")} == {"live.journal", "garbage.journal"}


def test_a_path_without_a_journal_is_refused(tmp_path):
    assert_refused(run("recover", tmp_path / "nowhere"), "nowhere", "neither a journal")
    assert run("recover", tmp_path).stdout == "No unfinished run.\n"


def test_folders_are_merged_and_what_was_done_is_counted(tmp_path):
    for folder, run_ids in {"one": "ab", "two": "bc"}.items():
        for number, run_id in enumerate(run_ids, start=1):
            factory.store(factory.run(RECORDS, run_id=run_id), tmp_path / folder / f"{number:04}_run.json")
    (tmp_path / "two" / "0009_broken.json").write_text("{")
    result = run("merge", tmp_path / "all", tmp_path / "one", tmp_path / "two")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"3 written to {tmp_path / 'all'}, 1 known already, 1 left\n"
    assert "0009_broken.json" in result.stderr
    assert sorted(load(path).info.run_id for path in stored_in(tmp_path / "all")) == ["a", "b", "c"]
    assert run("report", tmp_path / "all", "--out", tmp_path / "out").returncode == 0
    again = run("merge", tmp_path / "all", tmp_path / "one", tmp_path / "two")
    assert again.stdout.startswith("0 written")


def test_a_merge_that_cannot_be_done_is_refused_in_one_line(tmp_path):
    factory.store(factory.run(RECORDS), tmp_path / "one" / "0001_run.json")
    assert_refused(run("merge", tmp_path / "one", tmp_path / "one"), "overlap")
    assert_refused(run("merge", tmp_path / "all", tmp_path / "nowhere"), "nowhere", "cannot be read")


@pytest.mark.parametrize("named", [False, True])
def test_a_damaged_file_is_named_in_the_report_of_its_folder_and_refused_alone(tmp_path, named):
    factory.store(factory.run(RECORDS), tmp_path / "runs" / "0001_run.json")
    broken = tmp_path / "runs" / "0002_broken.json"
    broken.write_text("{")
    result = run("report", tmp_path / "runs", *([broken] if named else []), "--out", tmp_path / "out")
    if named:
        assert_refused(result, "0002_broken.json")
    else:
        assert result.returncode == 0, result.stderr
        assert "0002_broken.json" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
