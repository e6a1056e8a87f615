"""Saving runs: numbers beyond 9999, runs to compare with, and what a full disk does."""

import errno
import json
import os
from pathlib import Path

import pytest
from pytest_benchmark.logger import Logger
from pytest_benchmark.storage.file import FileStorage

from bench_core.execution.saving import RunStorage, adopt_storage
from tests.support import factory

RUN = {"benchmarks": [{"stats": {"mean": 1.0, "ops": 1.0}}]}


@pytest.fixture
def storage(tmp_path):
    return RunStorage(tmp_path, Logger(Logger.QUIET), "machine")


def names(storage, *patterns):
    return [path.name for path, _ in storage.load(*patterns)]


def test_after_number_9999_numbers_go_on_and_every_run_can_be_named(storage, tmp_path):
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "9998_run.json").write_text(json.dumps(RUN))
    (tmp_path / "machine" / "1000_run.json").write_text(json.dumps(RUN))
    for _ in range(3):
        storage.save(RUN, "run")
    numbers = ["1000", "9998", "9999", "10000", "10001"]
    assert names(storage) == [f"{number}_run.json" for number in numbers]
    assert storage.saved == tmp_path / "machine" / "10001_run.json"
    for number in numbers:
        assert names(storage, number) == [f"{number}_run.json"]
    assert names(storage, "machine/999*") == ["9998_run.json", "9999_run.json"]


def test_what_is_saved_is_what_pytest_benchmark_saves_and_a_checksum(storage, tmp_path):
    theirs = FileStorage(tmp_path / "theirs", Logger(Logger.QUIET), "machine")
    document = factory.document(factory.run()) | {"object": FileStorage}
    theirs.save(document, "run")
    storage.save(document, "run")
    saved = (tmp_path / "theirs" / "machine" / "0001_run.json").read_bytes()
    start = saved.removesuffix(b"\n}")
    assert storage.saved.read_bytes().startswith(start + b',\n    "bench_core_checksum": ')


def test_a_full_disk_is_one_line_and_leaves_nothing(storage, tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        storage.save(RUN, "run")
    assert storage.saved is None
    assert "No space left" in storage.problem
    assert "\n" not in storage.problem
    assert list((tmp_path / "machine").glob("*.json")) == []
    assert list((tmp_path / "machine").glob("*.unfinished")) == []


def test_only_pytest_benchmarks_own_storage_in_files_is_replaced(storage, tmp_path):
    class Session:
        def __init__(self, storage):
            self.storage = storage

    theirs = Session(FileStorage(tmp_path, Logger(Logger.QUIET), "machine"))
    assert isinstance(adopt_storage(theirs), RunStorage)
    assert theirs.storage.folder == Path(tmp_path, "machine")
    ours = Session(storage)
    assert adopt_storage(ours) is storage
    other = Session("elsewhere")
    assert adopt_storage(other) is None
    assert other.storage == "elsewhere"
