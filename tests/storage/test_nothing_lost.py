"""Short forms of the proof that nothing is lost: sweeps in processes of their own, killed and at once."""

import time

import pytest
from killing import OPTIONS, Sweeper, at_once, endure

from bench_core.storage.files import load_all
from bench_core.storage.journal import journals
from bench_core.storage.numbered import number_of

CASES = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    sweeper = Sweeper(tmp_path_factory.mktemp("sweeps"), CASES)
    yield sweeper
    sweeper.close()


@pytest.fixture
def sweeper(server):
    server.forget()
    return server


def test_two_sweeps_at_once_are_both_stored_under_their_own_numbers(sweeper):
    at_once(sweeper, 2)
    runs = load_all([sweeper.folder])
    assert [len(run.records) for run in runs] == [CASES, CASES]
    assert {number_of(run.path.name) for run in runs} == {1, 2}
    assert journals(sweeper.folder) == []


def test_every_case_that_ended_is_there_after_each_kill_and_the_continued_sweep_has_all(sweeper, tmp_path):
    started = time.monotonic()
    assert sweeper.ended(sweeper.start()) == 0
    seconds = time.monotonic() - started
    sweeper.forget()
    endured = endure(sweeper, seconds, 3, tmp_path / "copy", seed=0)
    assert endured.kills == 3
    assert (endured.lost, endured.wrong) == (0, [])


def test_sigterm_stores_what_was_measured_and_the_last_line_continues_the_run(sweeper):
    sweeper.stop.touch()
    assert sweeper.ended(sweeper.start()) == pytest.ExitCode.INTERRUPTED
    (run,) = load_all([sweeper.folder])
    assert run.info.partial
    assert len(run.records) == 1
    last = sweeper.output().splitlines()[-1]
    assert last.startswith("Continue this run with: ")
    assert last.endswith(f"{OPTIONS[-1]} --bench-resume")
    assert sweeper.ended(sweeper.start("--bench-resume")) == 0
    (whole,) = load_all([sweeper.folder])
    assert (whole.info.run_id, whole.info.started) == (run.info.run_id, run.info.started)
    assert (len(whole.records), whole.info.partial) == (CASES, False)
    assert set(run.records[0].timing.samples) == set(whole.records[0].timing.samples)
    assert journals(sweeper.folder) == []
