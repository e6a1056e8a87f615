"""Pairs of workers, each a real process that stands for a run of pytest."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench_core.core.errors import GateError
from bench_core.core.pairs import Ending, Trouble
from bench_core.execution.pairing.gating import run_gate
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.pairs import CaseTrouble, Turns, started
from bench_core.execution.pairing.sides import checked_out
from tests.support import fake_worker
from tests.support.repositories import committed, git

ROOT = Path(__file__).parents[3]
FEW = Turns(seconds=0.1, fewest=4, most=8, timeout=60.0)


@pytest.fixture
def guard():
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture
def sides(tmp_path):
    def make(base, head, **options):
        return (
            fake_worker.side("base", tmp_path / "base", base, **options),
            fake_worker.side("head", tmp_path / "head", head),
        )

    return make


def pairing(both, guard, tmp_path, seed=0, turns=FEW):
    return started(both, (), tmp_path, guard, random.Random(seed), turns)


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def gate(both, decide=lambda gating: set(gating.names), *, budget=60.0, turns=FEW, note=lambda gating: None, **options):
    return run_gate(both, (), decide, budget=budget, seed=1, note=note, turns=turns, **options)


class TestPair:
    def test_both_sides_are_timed_with_as_many_blocks_and_calls(self, sides, guard, tmp_path):
        both = sides({"a": 0.001}, {"a": 0.002})
        with pairing(both, guard, tmp_path) as (pair, _):
            measured = pair.measure(("a", "a"), check=True)
        assert measured.base.times == (0.001,) * 8
        assert measured.head.times == (0.002,) * 8
        assert measured.base.memory == 7
        turns = [[m["turn"] for m in fake_worker.asked(side) if "turn" in m] for side in both]
        assert {turn["calls"] for side in turns for turn in side} == {5}
        assert [sum(turn["blocks"] for turn in side) for side in turns] == [8, 8]

    def test_the_order_of_the_sides_is_drawn_and_balanced(self, sides, guard, tmp_path):
        both, firsts = sides({"a": 0.001}, {"a": 0.001}), []
        for seed in range(6):
            with pairing(both, guard, tmp_path, seed) as (pair, _):
                sequence = [which for which, blocks in pair._schedule(200) for _ in range(blocks)]
            assert sequence.count(0) == sequence.count(1) == 200
            quads = {tuple(sequence[i : i + 4]) for i in range(0, 400, 4)}
            assert quads == {(0, 1, 1, 0), (1, 0, 0, 1)}
            firsts.append(sequence[0])
        assert set(firsts) == {0, 1}

    def test_a_side_that_waits_is_stopped(self, sides, guard, tmp_path):
        both = sides({"a": 0.001}, {"a": "hang"})
        with pairing(both, guard, tmp_path, turns=Turns(timeout=0.5)) as (pair, _):
            with pytest.raises(CaseTrouble):
                pair.measure(("a", "a"), check=False)
            (waiting,) = fake_worker.pids(both[0])
            assert psutil.Process(waiting).status() == psutil.STATUS_STOPPED

    def test_a_long_block_gets_fewer_blocks(self):
        assert [Turns().blocks(seconds) for seconds in (0.001, 0.02, 0.03, 5.0)] == [56, 30, 20, 6]

    def test_both_have_ended_afterwards(self, sides, guard, tmp_path):
        both = sides({"a": 0.001}, {"a": 0.001})
        with pairing(both, guard, tmp_path):
            pass
        assert all(gone(pid) for side in both for pid in fake_worker.pids(side))


@pytest.mark.parametrize(
    ("what", "outcome", "reason"),
    [
        ("skip", "skipped", "will skip"),
        ("fail", "failed", "will fail"),
        ("unused", "failed", "never called device_benchmark"),
        ("raises", "failed", "RuntimeError: no"),
        ("fails at last", "failed", "assert 1 == 2"),
        ("stray", "failed", "loads code of the other side: module (its file)"),
        ("crash", "failed", "its process has ended (SIGSEGV): Fatal Python error: Segmentation fault"),
        ("exit", "failed", "its process has ended (exit code 3)"),
        ("garbage", "failed", "it sent what is not a message"),
        ("list", "failed", "it sent what is not a message: '[1]'"),
        ("wrong", "failed", "it sent what is not an answer (times[1]"),
        ("hang", "failed", "did not answer within"),
    ],
)
def test_a_case_that_one_side_cannot_measure_is_named_and_the_others_are_measured(
    sides, what, outcome, reason, monkeypatch
):
    if what in ("garbage", "list"):  # its worker lives on, so to wait for its exit code is in vain
        monkeypatch.setattr("bench_core.execution.pairing.remote.GRACE", 0.1)
    fine, broken = {"a": 0.001, "b": 0.001, "c": 0.001}, {"a": 0.001, "b": what, "c": 0.001}
    bad = random.Random(what).choice(["base", "head"])
    both = sides(broken, fine) if bad == "base" else sides(fine, broken)
    short = Turns(seconds=0.01, fewest=4, most=4, timeout=1.0 if what == "hang" else 60.0)
    gating = gate(both, lambda gating: {item for item, pairs in gating.pairs.items() if len(pairs) >= 2}, turns=short)
    assert set(gating.troubles) == {"b"}
    trouble = gating.troubles["b"]
    assert (trouble.side, trouble.outcome) == (bad, outcome)
    assert trouble.reason.startswith(reason)
    assert {item: len(pairs) for item, pairs in gating.pairs.items()} == {"a": 2, "b": 0, "c": 2}
    assert all(gone(pid) for side in both for pid in fake_worker.pids(side))


class TestGate:
    def test_decided_cases_are_not_measured_again(self, sides):
        both = sides({"a": 0.001, "b": 0.001}, {"a": 0.001, "b": 0.001})
        noted = []
        gating = gate(
            both,
            lambda gating: {item for item, count in (("a", 1), ("b", 3)) if len(gating.pairs[item]) >= count},
            note=lambda gating: noted.append(len(gating.took)),
        )
        assert {item: len(pairs) for item, pairs in gating.pairs.items()} == {"a": 1, "b": 3}
        assert noted == [1, 2, 3]
        assert gating.names == {"a": "name of a", "b": "name of b"}

    def test_it_ends_before_a_pair_that_would_exceed_the_budget(self, sides):
        passed = [0.0]

        class Slow(Turns):
            def blocks(self, block):
                passed[0] += 30.0
                return 4

        both = sides({"a": 0.001}, {"a": 0.001})
        gating = gate(both, lambda gating: set(), budget=100.0, turns=Slow(), clock=lambda: passed[0])
        assert gating.took == [30.0, 30.0, 30.0]
        assert gating.seconds == 90.0

    def test_a_case_without_a_figure_is_measured_and_checked_though_the_time_is_spent(self, sides):
        cases = dict.fromkeys("abc", 0.001)
        both = sides(cases, cases | {"b": "crash"})
        gating = gate(both, lambda gating: set(), budget=0.0)
        assert {item: len(pairs) for item, pairs in gating.pairs.items()} == {"a": 1, "b": 0, "c": 1}
        for side in both:
            assert all(m["check"] for m in fake_worker.asked(side) if m.get("open") in ("a", "c"))

    def test_a_pair_that_fails_to_start_is_tried_again_and_then_ends_the_gate_with_what_there_is(self, sides):
        both = sides({"a": 0.001}, {"a": 0.001}, starts=2)
        gating = gate(both, lambda gating: set())
        assert len(gating.pairs["a"]) == 2
        assert "SyntaxError" in gating.broken
        assert len(fake_worker.pids(both[0])) == 4

    def test_what_neither_side_knows_is_refused_and_what_one_does_not_know_is_not(self, sides):
        both = sides({"a": 0.001}, {"a": 0.001}, unknown=["b.py", "c.py"])
        assert gate(both).names == {"a": "name of a"}
        fake_worker.side("head", both[1].folder, {"a": 0.001}, unknown=["c.py"])
        with pytest.raises(GateError, match=r"no test 'c\.py'"):
            gate(both)

    def test_each_pair_has_fresh_processes_and_checks_parity_in_the_first_only(self, sides):
        both = sides({"a": 0.001}, {"a": 0.001})
        gate(both, lambda gating: {item for item, pairs in gating.pairs.items() if len(pairs) >= 2})
        for side in both:
            assert len(set(fake_worker.pids(side))) == 2
            assert [m["check"] for m in fake_worker.asked(side) if "open" in m] == [True, False]

    def test_numbers_stored_in_16_bits_on_one_side_only_are_other_work(self, sides):
        items = {"a": 0.001, "b": 0.001}
        both = sides(items, items, stored=["b"])
        troubles = gate(both, lambda gating: {"a"}).troubles
        assert [(item, of.outcome) for item, of in troubles.items()] == [("b", "skipped")]
        assert "not the same work: one side has its numbers stored in 16 bits" in troubles["b"].reason
        for side, name in zip(both, ("base", "head"), strict=True):
            fake_worker.side(name, side.folder, items, stored=["b"])
        assert gate(both, lambda gating: {"a", "b"}).troubles == {}

    def test_a_case_of_one_side_only_is_missing(self, sides):
        gating = gate(sides({"a": 0.001, "old": 0.001}, {"a": 0.001, "new": 0.001}), lambda gating: {"a"})
        assert gating.troubles == {
            "old": Trouble("head", Ending.MISSING, "there is no such test"),
            "new": Trouble("base", Ending.MISSING, "there is no such test"),
        }

    @pytest.mark.parametrize(
        ("items", "version", "words"),
        [
            ({"collect": 0.1}, 1, "SyntaxError"),
            ({"no plugin": 0.1}, 1, "plugin did not answer"),
            ({"a": 0.1}, 99, "version 99"),
            ({"a": 0.1}, 1.5, "version 1.5"),
            ({}, 1, "no test that uses device_benchmark"),
        ],
    )
    def test_a_side_that_cannot_begin_ends_the_gate_with_its_name(self, sides, items, version, words):
        both = sides(items, {"a": 0.001} if items else {}, version=version)
        with pytest.raises(GateError, match=words) as refused:
            gate(both)
        assert "base" in str(refused.value)
        assert all(gone(pid) for side in both for pid in fake_worker.pids(side))


GATE = """
import sys
from pathlib import Path
from bench_core.execution.pairing.gating import run_gate
from bench_core.execution.pairing.pairs import Turns
from bench_core.execution.pairing.sides import checked_out
from tests.support import fake_worker

top, folder = map(Path, sys.argv[1:])
sides = [fake_worker.side(name, folder / name, {"a": 0.001, "b": "hang"}) for name in ("base", "head")]
with checked_out(top, {"base": "HEAD"} if (top / ".git").exists() else {}) as worktrees:
    print(*worktrees.values(), flush=True)
    gating = run_gate(sides, (), lambda gating: {"a"}, budget=600.0, seed=1, note=print, turns=Turns(timeout=600.0))
    print("interrupted" if gating.interrupted else "ended")
"""


class TestEndings:
    @pytest.fixture
    def repository(self, tmp_path):
        top = tmp_path / "top"
        top.mkdir()
        (top / "file").touch()
        committed(top, "one")
        return top

    def running(self, repository, folder):
        """A gate whose worker hangs, the worktree, and the workers, of which one is stopped."""
        process = subprocess.Popen(
            [sys.executable, "-c", GATE, str(repository), str(folder)],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(repository.parent)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        worktree = Path(process.stdout.readline().strip())
        sides = [folder / name for name in ("base", "head")]
        while not any('"turn"' in line for line in self.lines(sides[0] / "asked") + self.lines(sides[1] / "asked")):
            assert process.poll() is None
            time.sleep(0.01)
        pids = [int(line) for side in sides for line in self.lines(side / "pids")]
        return process, worktree, pids

    @staticmethod
    def lines(path):
        return path.read_text().splitlines() if path.exists() else []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_a_gate_that_is_ended_leaves_no_process_and_no_worktree(self, repository, tmp_path, number):
        process, worktree, pids = self.running(repository, tmp_path / "sides")
        assert worktree.is_dir()
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
        psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=60)
        assert all(map(gone, pids))
        listed = git(repository, "worktree", "list")
        if number == signal.SIGINT:
            assert output.strip().endswith("interrupted")
            assert len(listed.splitlines()) == 1
            assert not worktree.parent.exists()
        else:
            assert len(listed.splitlines()) == 2

    def test_a_worktree_of_the_user_whose_folder_is_away_is_kept(self, repository, tmp_path):
        git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "away"))
        shutil.rmtree(tmp_path / "away")
        with checked_out(repository, {"base": "HEAD"}):
            pass
        listed = git(repository, "worktree", "list")
        assert len(listed.splitlines()) == 2
        assert str(tmp_path / "away") in listed

    def test_what_a_killed_gate_left_is_removed_at_the_next_start_and_a_running_ones_is_not(self, repository, tmp_path):
        killed, left, _ = self.running(repository, tmp_path / "killed")
        killed.kill()
        killed.communicate()
        running, used, _ = self.running(repository, tmp_path / "running")
        assert not left.parent.exists()
        with checked_out(repository, {"base": "HEAD"}) as folders:
            assert used.is_dir()
            assert (folders["base"] / "file").exists()
        assert used.is_dir()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
