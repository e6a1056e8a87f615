"""The folder for generated files, and files that are never seen unfinished."""

from pathlib import Path

import pytest

from bench_core.core.cache import cache_dir, draft


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CORE_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert cache_dir() == Path("/own")
    monkeypatch.delenv("BENCH_CORE_CACHE")
    assert cache_dir() == Path("/shared/bench-core")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "bench-core"


def test_a_draft_takes_the_place_of_the_file_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with draft(path) as unfinished:
        unfinished.write_text("complete")
        assert not path.exists()
    assert path.read_text() == "complete"
    assert list(path.parent.iterdir()) == [path]


def write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")


def test_a_draft_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(OSError, match="No space"), draft(path) as unfinished:
        write_half(unfinished)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
