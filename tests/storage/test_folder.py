"""The folder of stored runs: the check before the sweep, the lock during the save, and the commit of the checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench_core.core.errors import StorageError
from bench_core.storage.folder import check_writable, commit_of, full_commit, locked
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
    def git(*arguments):
        identity = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

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
