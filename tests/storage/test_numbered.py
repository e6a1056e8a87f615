"""New files of stored runs: complete or not there, each under a number of its own."""

import errno
import os
from pathlib import Path

import pytest

from bench_core.storage.numbered import number_of, write_new, write_numbered
from tests.support.processes import run_at_once

ROOT = Path(__file__).parents[2]
WRITE = """
import sys
from pathlib import Path
from bench_core.storage.numbered import write_numbered
print("ready", flush=True)
sys.stdin.readline()
for i in range(20):
    write_numbered(Path(sys.argv[1]), f"{sys.argv[2]}{i}", sys.argv[2].encode())
"""


@pytest.mark.parametrize(
    ("name", "number"),
    [("0001_x.json", 1), ("9999_", 9999), ("10000_a_b.json", 10000), ("001_x.json", None), ("x_0001_.json", None)],
)
def test_a_number_has_four_digits_or_more(name, number):
    assert number_of(name) == number


def test_numbers_follow_the_greatest_of_the_folder_and_the_one_above(tmp_path):
    folder = tmp_path / "machine"
    assert write_numbered(folder, "a", b"").name == "0001_a.json"
    (tmp_path / "9998_above.json").touch()
    names = [write_numbered(folder, "a", b"").name for _ in range(3)]
    assert names == ["9999_a.json", "10000_a.json", "10001_a.json"]


def test_two_processes_at_once_never_share_a_number(tmp_path):
    run_at_once(WRITE, [(str(tmp_path), name) for name in "ab"])
    files = sorted(tmp_path.glob("*.json"))
    assert [number_of(path.name) for path in files] == list(range(1, 41))
    assert sorted(path.read_text() for path in files) == ["a"] * 20 + ["b"] * 20


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    path = write_new(tmp_path / "run.json", b"first")
    with pytest.raises(FileExistsError):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_hard_links_is_served(tmp_path, monkeypatch, taken):
    def no_links(self, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    path = tmp_path / "run.json"
    if taken:
        path.write_bytes(b"first")
        with pytest.raises(FileExistsError):
            write_new(path, b"second")
    else:
        write_new(path, b"first")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_no_file(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_new(tmp_path / "run.json", b"content")
    assert list(tmp_path.iterdir()) == []
