"""Runs of several folders brought together, each once, and several files of one run."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench_core.core.case import Case
from bench_core.core.errors import RecordError, StorageError
from bench_core.storage.duplicates import once_each
from bench_core.storage.files import load, load_all
from bench_core.storage.merge import merge
from tests.support import factory

RECORDS = [factory.record(Case("gemm", batch_size=batch), count=6) for batch in (1, 2, 4)]


def run(run_id, records=1, partial=False, **changes):
    started = f"2026-01-01T00:00:{sum(map(ord, run_id)) % 60:02}+00:00"
    return factory.run(RECORDS[:records], run_id=run_id, partial=partial, started=started, **changes)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ids(folder):
    return sorted(load(path).info.run_id for path in folder.rglob("*.json"))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_most_complete_file_of_a_run_counts(order):
    files = [run("a", 3, partial=True), run("a", 2), run("a", 1), run("b", 1, partial=True)]
    kept = once_each(files[i] for i in order)
    assert sorted((kept.info.run_id, len(kept.records), kept.info.partial) for kept in kept) == [
        ("a", 2, False),
        ("b", 1, True),
    ]


def test_a_folder_with_several_files_of_a_run_has_it_once(tmp_path):
    factory.store(run("a", 1, partial=True), tmp_path / "0001_a.json")
    complete = factory.store(run("a", 3), tmp_path / "0002_a.json")
    factory.store(run("a", 3), tmp_path / "0003_a.json")
    assert [loaded.path for loaded in load_all([tmp_path])] == [complete]


def test_clashing_numbers_get_new_ones_and_each_run_is_there_once(tmp_path):
    for name, members in {"one": "abc", "two": "bcde", "three": "e"}.items():
        for number, run_id in enumerate(members, start=1):
            factory.store(run(run_id), tmp_path / name / f"{number:04}_run.json")
    sources = [tmp_path / name for name in ("one", "two", "three")]
    before = [contents(source) for source in sources]
    merged = merge(tmp_path / "all", sources)
    assert (len(merged.written), merged.known, merged.left) == (5, 3, [])
    assert ids(tmp_path / "all") == list("abcde")
    assert sorted(path.name for path in merged.written) == [f"{number:04}_run.json" for number in range(1, 6)]
    assert [contents(source) for source in sources] == before


def test_merging_twice_changes_nothing(tmp_path):
    for number, run_id in enumerate("abc", start=1):
        factory.store(run(run_id), tmp_path / "one" / f"{number:04}_run.json")
    merge(tmp_path / "all", [tmp_path / "one"])
    before = contents(tmp_path / "all")
    merged = merge(tmp_path / "all", [tmp_path / "one"])
    assert (merged.written, merged.replaced, merged.known) == ([], [], 3)
    assert contents(tmp_path / "all") == before


def test_folders_of_machines_are_kept_wherever_the_source_begins(tmp_path):
    slug = factory.machine().slug
    inside = Path(slug, "Linux-CPython-3.11-64bit")
    path = factory.store(run("a"), tmp_path / "src" / inside / "0001_run.json")
    for number, source in enumerate((tmp_path / "src", tmp_path / "src" / slug, path)):
        target = tmp_path / f"out{number}"
        assert merge(target, [source]).written == [target / inside / "0001_run.json"]


def test_other_folders_are_kept_as_they_are_below_the_source(tmp_path):
    factory.store(run("a"), tmp_path / "src" / "mine" / "unnumbered.json")
    factory.store(run("b"), tmp_path / "other" / "mine" / "unnumbered.json")
    merged = merge(tmp_path / "all", [tmp_path / "src", tmp_path / "other"])
    names = {path.relative_to(tmp_path / "all").as_posix() for path in merged.written}
    assert names == {"mine/unnumbered.json", "mine/0001_unnumbered.json"}


def test_a_more_complete_file_replaces_one_whose_cases_it_has(tmp_path):
    factory.store(run("a", 1, partial=True), tmp_path / "all" / "0007_run.json")
    factory.store(run("a", 3), tmp_path / "src" / "0001_run.json")
    merged = merge(tmp_path / "all", [tmp_path / "src"])
    assert merged.replaced == [tmp_path / "all" / "0007_run.json"]
    assert [len(load(path).records) for path in (tmp_path / "all").glob("*.json")] == [3]


def test_a_less_complete_file_with_a_case_of_its_own_is_not_deleted(tmp_path):
    other = replace(run("a", partial=True), records=(factory.record(Case("gemm", batch_size=64)),))
    factory.store(other, tmp_path / "all" / "0007_run.json")
    factory.store(run("a", 3), tmp_path / "src" / "0001_run.json")
    assert merge(tmp_path / "all", [tmp_path / "src"]).replaced == []
    assert len(list((tmp_path / "all").glob("*.json"))) == 2


def test_what_cannot_be_read_is_named_and_left(tmp_path):
    factory.store(run("a"), tmp_path / "src" / "0001_run.json")
    (tmp_path / "src" / "0002_broken.json").write_text("{")
    merged = merge(tmp_path / "all", [tmp_path / "src", tmp_path / "nowhere"])
    assert ["0002_broken.json" in merged.left[0], "nowhere" in merged.left[1]] == [True, True]
    assert ids(tmp_path / "all") == ["a"]
    with pytest.raises(RecordError, match="0002_broken"):
        merge(tmp_path / "none", [tmp_path / "src" / "0002_broken.json"])


@pytest.mark.parametrize(("target", "source"), [("all", "all"), ("all", "all/below"), ("all/below", "all")])
def test_a_folder_is_not_merged_into_itself(tmp_path, target, source):
    factory.store(run("a"), tmp_path / source / "0001_run.json")
    before = contents(tmp_path)
    with pytest.raises(StorageError, match="overlap"):
        merge(tmp_path / target, [tmp_path / source])
    assert contents(tmp_path) == before


def test_a_destination_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    factory.store(run("a"), tmp_path / "src" / "0001_run.json")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written to"):
        merge(tmp_path / "file" / "below", [tmp_path / "src"])


def test_many_folders_with_duplicates_keep_each_run_once(tmp_path):
    """50 folders of 300 runs in all: 120 different ones, each stored under clashing numbers in two or three folders."""
    names = [f"run-{number}" for number in range(120)]
    draw = random.Random(0)
    placed = [*names, *names, *draw.sample(names, 60)]
    originals = {name: factory.store(run(name), tmp_path / "originals" / f"{name}.json") for name in names}
    draw.shuffle(placed)
    for index, name in enumerate(placed):
        path = tmp_path / f"folder{index % 50}" / f"{index // 50 + 1:04}_run.json"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(originals[name], path)
    merged = merge(tmp_path / "all", [tmp_path / f"folder{index}" for index in range(50)])
    assert (len(merged.written), merged.known, merged.left) == (120, 180, [])
    assert ids(tmp_path / "all") == sorted(names)
