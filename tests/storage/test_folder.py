"""The folder of stored runs: the check before the sweep, the lock during the save, and the commit of the checkout."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bench_core.core.errors import StorageError
from bench_core.storage.folder import check_writable, commit_of, commits_after, full_commit, locked
from tests.support import repositories
from tests.support.processes import run_at_once

ENTER_AND_LEAVE = """
import os, sys
from pathlib import Path

from bench_core.storage.folder import locked

folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(300):
    with locked(folder):
        os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))  # fails while another process is inside
        os.sched_yield()
        os.unlink(folder / "inside")
"""


def test_a_folder_that_does_not_exist_yet_is_created_and_left_empty(tmp_path):
    folder = tmp_path / "new" / "deep"
    check_writable(folder, "--benchmark-storage")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("file", "is a file", id="file"),
        pytest.param("file/below", "is a file", id="below-a-file"),
        pytest.param("/proc/nowhere", "No such file", id="cannot-be-created"),
        pytest.param("x" * 300, "too long", id="too-long"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_with_the_reason_and_the_option(tmp_path, name, reason):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(StorageError) as caught:
        check_writable(tmp_path / name, "--benchmark-storage")
    for word in (str(tmp_path / name), reason, "--benchmark-storage"):
        assert word in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


def test_two_processes_never_hold_the_lock_at_once(tmp_path):
    run_at_once(ENTER_AND_LEAVE, [(str(tmp_path),)] * 2)


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    command = [sys.executable, "-c", ENTER_AND_LEAVE, str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], input="go\n", text=True, check=True, timeout=60)


def test_the_commit_and_whether_tracked_files_changed_are_read_from_git(tmp_path):
    git = partial(repositories.git, tmp_path)

    assert commit_of(tmp_path) == (None, None)
    assert full_commit(tmp_path, "HEAD") is None
    git("init", "--quiet")
    (tmp_path / "tracked").write_text("one")
    git("add", "tracked")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "HEAD")
    assert [full_commit(tmp_path, name) for name in ("HEAD", commit[:8], "HEAD~1", "--all")] == [
        commit,
        commit,
        None,
        None,
    ]
    (tmp_path / "untracked").write_text("new")
    assert commit_of(tmp_path) == (commit, False)
    (tmp_path / "tracked").write_text("two")
    assert commit_of(tmp_path) == (commit, True)


def test_the_commits_after_another_are_listed_oldest_first_and_a_merge_is_one(tmp_path):
    git = partial(repositories.git, tmp_path)

    def commit(*subject):
        allowed = ("--allow-empty", "--allow-empty-message")
        git("commit", "--quiet", *allowed, "--date", "2026-01-02T03:04:05+00:00", *subject)
        return git("rev-parse", "HEAD")

    git("init", "--quiet", "--initial-branch", "main")
    first = commit("--message", "first")
    second = commit("--message", "second: commit\twith a tab\n\nand more")
    git("checkout", "--quiet", "-b", "other")
    aside = commit("--message", "aside")
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "--message", "merge", "other")
    merge, last = git("rev-parse", "HEAD"), commit("--message", "")
    found = commits_after(tmp_path, first, last)
    assert found is not None
    assert [one.hexsha for one in found] == [second, merge, last]
    assert [one.subject for one in found] == ["second: commit\twith a tab", "merge", ""]
    assert found[0].written.startswith("2026-01-02T03:04:05")
    assert [one.hexsha for one in commits_after(tmp_path, aside, last) or ()] == [merge, last]
    assert commits_after(tmp_path, last, first) is None
    assert commits_after(tmp_path, "0" * 40, last) is None
    assert commits_after(tmp_path, last, last) == ()
