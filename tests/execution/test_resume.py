"""Continuing a run: what may differ, what is taken over, and what is measured again."""

from dataclasses import fields, replace
from typing import Any

import pytest

from bench_core.core.case import Case, Effort
from bench_core.core.errors import OptionError
from bench_core.core.machine import INCIDENTAL
from bench_core.core.records import RunInfo
from bench_core.core.results import Measurement
from bench_core.core.studies import LadderRung
from bench_core.execution.options import parse
from bench_core.execution.resume import Earlier, measurement_of, resumable, why_not_resumable
from bench_core.execution.session import BenchSession
from bench_core.storage.journal import Journal
from bench_core.storage.journaled import read
from tests.execution.test_session import QUICK, fixture
from tests.support import factory

INFO = factory.run(commit="abc", dirty=True).info


def test_the_same_facts_can_be_continued():
    later = replace(INFO, run_id="another", started="2027-01-01T00:00:00+00:00", planned=3, partial=True)
    assert why_not_resumable(INFO, later) is None


@pytest.mark.parametrize("option", ["--bench-resume", "--bench-budget"])
def test_an_option_that_does_not_change_what_is_measured_does_not_count(option):
    assert why_not_resumable(INFO, replace(INFO, options={**INFO.options, option: "60"})) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"commit": "def"}, "commit abc with uncommitted changes -> def with uncommitted changes"),
        ({"dirty": False}, "commit abc with uncommitted changes -> abc"),
        ({"version": "9.9"}, f"bench-core {INFO.version} -> 9.9"),
        ({"options": {"--bench-rel-ci": "0.1"}}, "--bench-rel-ci 0.02 -> 0.1"),
        ({"options": {}}, "--bench-rel-ci 0.02 -> (not given)"),
        ({"machine": factory.machine(torch="2.12.0")}, "torch 2.11.0 -> 2.12.0"),
        ({"machine": factory.machine(usable_cpus=2, kernel="6.2")}, "usable_cpus 16 -> 2; kernel 6.1 -> 6.2"),
    ],
)
def test_what_changed_is_named_old_and_new(change, said):
    assert why_not_resumable(INFO, replace(INFO, **change)) == said


def test_a_node_of_the_same_kind_with_a_few_kilobytes_more_memory_may_continue():
    other = replace(INFO, machine=factory.machine(memory=128 * 2**30 + 4096))
    assert why_not_resumable(INFO, other) is None


def test_other_uncommitted_changes_are_a_change():
    assert why_not_resumable(INFO, INFO, ("1f", "1f")) is None
    assert why_not_resumable(INFO, INFO, ("1f", "2e")) == "uncommitted changes 1f -> 2e"
    clean = replace(INFO, dirty=False)
    assert why_not_resumable(clean, clean, ("1f", "2e")) is None


@pytest.mark.parametrize("name", [spec.name for spec in fields(INFO.machine) if spec.name not in INCIDENTAL])
def test_every_fact_that_equal_machines_share_counts(name):
    changed: dict[str, Any] = {name: "another"}
    other = replace(INFO, machine=replace(INFO.machine, **changed))
    assert (why_not_resumable(INFO, other) or "").startswith(name)


def test_a_run_that_cannot_be_continued_is_refused_with_its_journal_and_left(tmp_path):
    with pytest.raises(OptionError, match="no unfinished run"):
        resumable(tmp_path, INFO)
    journal = Journal.create(tmp_path, INFO)
    journal.close()
    before = journal.path.read_bytes()
    with pytest.raises(OptionError, match=r"--bench-rel-ci 0\.02 -> 1; .*bench-core recover .*\.journal"):
        resumable(tmp_path, replace(INFO, options={"--bench-rel-ci": "1"}))
    assert journal.path.read_bytes() == before
    continued, journaled = resumable(tmp_path, INFO)
    assert (continued.path, journaled.info) == (journal.path, INFO)
    continued.close()


def test_results_that_nobody_asks_for_are_left(tmp_path):
    journal = Journal.create(tmp_path, INFO)
    record = factory.record(Case("gemm"))
    journal.note_record(record)
    journal.note_study("ladder-cpu", {"ladder": []})
    journal.close()
    earlier = Earlier(read(journal.path))
    assert earlier.is_left
    assert earlier.record(Case("mlp_train")) is None
    assert earlier.record(record.case) == record
    assert earlier.is_left
    assert earlier.rows("ladder-cpu") == {"ladder": []}
    assert not earlier.is_left
    assert not Earlier().is_left


def test_a_measurement_is_restored_from_its_record():
    record = factory.record(Case("gemm"))
    measurement = measurement_of(record)
    for spec in fields(Measurement):
        source = record if spec.name == "flags" else record.timing
        assert getattr(measurement, spec.name) == getattr(source, spec.name)


def begin(folder, **given):
    session = BenchSession(parse({**QUICK, "workload": "gemm", "batch_size": "8,16", **given}, folder))
    cases = session.selection.cases_of()
    if session.request.shard:
        session.selection.take_shard(cases, [], {}, [])
    session.plan(cases, 0, [], {"ladder-cpu": 1.0})
    return session, cases


def info_of(session) -> RunInfo:
    return session.info(session.journal.path.parent)


def test_a_continued_run_takes_over_what_was_measured_and_measures_the_rest(tmp_path):
    first, (small, large) = begin(tmp_path)
    first.keep_journal(tmp_path, tmp_path, resume=False)
    fixture(first, small.id).case(small)
    fixture(first, "ladder-cpu").study(lambda data_dir: factory.ladder(("cpu",)), str)
    first.end_journal(saved=False)

    second, _ = begin(tmp_path)
    second.keep_journal(tmp_path, tmp_path, resume=True)
    notes: list[str] = []
    replayed, measured = fixture(second, small.id, notes=notes), fixture(second, large.id, notes=notes)
    measurement = replayed.case(small)
    measured.case(large)
    fixture(second, "ladder-cpu", notes=notes).study(lambda data_dir: pytest.fail("measured again"), str)
    held = read(second.journal.path)
    assert ["from the journal" in note for note in notes] == [True, False, True]
    assert [record.case for record in held.records] == [small, large]
    assert replayed.benchmark.rounds == list(held.records[0].timing.samples) == list(measurement.samples)
    assert replayed.benchmark.extra_info != {}
    assert second.recorded == 2
    info = info_of(second)
    assert (info.run_id, info.started) == (held.info.run_id, held.info.started)
    assert info.resumed
    assert not held.info.resumed
    assert info.rows(LadderRung) == factory.ladder(("cpu",))
    for case in (small, large):
        second.progress_line(case.id, "done")
    second.progress_line("ladder-cpu", "done")
    second.end_journal(saved=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("saved", "done", "replay", "stays"),
    [(True, 3, True, False), (False, 3, True, True), (True, 2, True, True), (True, 3, False, True)],
    ids=["saved", "not-saved", "stopped", "not-selected"],
)
def test_the_journal_stays_until_all_that_it_holds_is_saved(tmp_path, saved, done, replay, stays):
    first, (small, _) = begin(tmp_path)
    first.keep_journal(tmp_path, tmp_path, resume=False)
    first.note_record(factory.record(small), Effort())
    first.end_journal(saved=False)
    session, _ = begin(tmp_path)
    session.keep_journal(tmp_path, tmp_path, resume=True)
    if replay:
        fixture(session, small.id).case(small)
    for number in range(done):
        session.progress_line(str(number), "done")
    session.end_journal(saved)
    assert bool(list(tmp_path.glob("*.journal"))) is stays


def test_a_run_without_a_result_leaves_no_journal(tmp_path):
    session, _ = begin(tmp_path)
    session.keep_journal(tmp_path, tmp_path, resume=False)
    session.end_journal(saved=False)
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_other_options_is_not_continued(tmp_path):
    first, (small, _) = begin(tmp_path)
    first.keep_journal(tmp_path, tmp_path, resume=False)
    first.note_record(factory.record(small), Effort())
    first.end_journal(saved=False)
    other, _ = begin(tmp_path, batch_size="8")
    with pytest.raises(OptionError, match="--bench-batch-size 8,16 -> 8"):
        other.keep_journal(tmp_path, tmp_path, resume=True)


def test_a_shard_continues_its_own_run_though_all_shards_share_a_folder(tmp_path):
    for number in (1, 2):
        session, cases = begin(tmp_path, shard=f"{number}/2")
        session.keep_journal(tmp_path, tmp_path, resume=False)
        session.note_record(factory.record(cases[number - 1]), Effort())
        session.end_journal(saved=False)
    (tmp_path / "broken.journal").write_text("nothing")
    again, (first, second) = begin(tmp_path, shard="1/2")
    again.keep_journal(tmp_path, tmp_path, resume=True)
    assert first in again.earlier
    assert second not in again.earlier
    whole, _ = begin(tmp_path)
    (tmp_path / "broken.journal").unlink()
    with pytest.raises(OptionError, match="has no unfinished run"):
        whole.keep_journal(tmp_path, tmp_path, resume=True)
    other, _ = begin(tmp_path, shard="1/3", batch_size="8,16,32")
    with pytest.raises(OptionError, match="has no unfinished run"):
        other.keep_journal(tmp_path, tmp_path, resume=True)
