"""The shards of a sweep, brought together as one run."""

from dataclasses import replace

import pytest

from bench_core.core.case import Case
from bench_core.core.records import NotRun, Outcome, Shard
from bench_core.core.studies import LadderRung
from bench_core.storage.files import load, load_all
from bench_core.storage.merge import merge
from tests.support import factory

RECORDS = tuple(factory.record(Case("gemm", batch_size=2**power), count=6) for power in range(8))
SKIPPED = NotRun("transfer (20 cases)", Outcome.SKIPPED, "needs a CUDA device")
OPTIONS = {"--bench-device": "cpu"}


def shard(index, count=4, *, started="2026-01-01T00:00:00+00:00", name="", division="d1", records=None, **changes):
    """A shard of a sweep of eight cases, on which the ladder is a part of the second."""
    studies = factory.studies(*factory.ladder(("cpu",))) if index == 2 else {}
    own = RECORDS[index - 1 :: count] if records is None else records
    facts = {
        "run_id": f"{name}{index}",
        "started": started,
        "planned": 2,
        "options": {**OPTIONS, "--bench-shard": f"{index}/{count}"},
        "not_run": (SKIPPED, NotRun(f"case {index}", Outcome.FAILED, "no")),
        "studies": studies,
        "studied": ("ladder-cpu",) if studies else (),
        "shard": Shard(index, count, division),
    }
    return factory.run(own, **{**facts, **changes})


def store_all(folder, shards):
    """Each shard in the folder of its own machine."""
    for number, stored in enumerate(shards, start=1):
        factory.store(stored, folder / f"node{number}" / "0001_abc.json", checksum=True)
    return sorted(folder.iterdir())


def test_shards_merged_equal_the_sweep_that_one_machine_makes(tmp_path):
    sources = store_all(tmp_path / "nodes", [shard(index, name="s") for index in (3, 1, 4, 2)])
    merged = merge(tmp_path / "all", sources)
    (path,) = merged.written
    assert merged.joined == {path: 4}
    assert path.relative_to(tmp_path / "all").parts[0] == factory.machine().slug
    run, unsharded = load(path), factory.run(RECORDS).info
    assert sorted(record.case.batch_size for record in run.records) == [2**power for power in range(8)]
    assert {record.case: record for record in run.records} == {record.case: record for record in RECORDS}
    assert run.info == replace(
        unsharded,
        run_id=run.info.run_id,
        started="2026-01-01T00:00:00+00:00",
        planned=8,
        options=OPTIONS,
        not_run=(SKIPPED, *(NotRun(f"case {index}", Outcome.FAILED, "no") for index in (1, 2, 3, 4))),
        studies=factory.studies(*factory.ladder(("cpu",))),
        studied=("ladder-cpu",),
        joined=("s1", "s2", "s3", "s4"),
    )
    assert run.info.rows(LadderRung) == factory.ladder(("cpu",))
    again = merge(tmp_path / "all", sources)
    assert (again.written, again.replaced, again.known) == ([], [], 4)
    assert [run.path for run in load_all([tmp_path / "all"])] == [path]


def test_a_sweep_that_lacks_a_shard_stays_apart_until_the_last_one_comes(tmp_path):
    *first, last = store_all(tmp_path / "nodes", [shard(index) for index in (1, 2, 3, 4)])
    merged = merge(tmp_path / "all", first)
    assert (len(merged.written), merged.joined) == (3, {})
    (line,) = merged.lacking
    assert line.startswith("shard 1, 2, 3 of 4 of the sweep of commit ")
    assert line.endswith("missing: 4")
    merged = merge(tmp_path / "all", [last])
    (whole,) = load_all([tmp_path / "all"])
    assert merged.joined == {whole.path: 4}
    assert len(merged.replaced) == 3
    assert (merged.known, merged.lacking) == (0, [])
    assert len(whole.records) == 8
    assert merge(tmp_path / "all", [*first, last]).written == []


def test_a_shard_that_comes_again_after_its_sweep_was_joined_is_known(tmp_path):
    sources = store_all(tmp_path / "nodes", [shard(index) for index in (1, 2, 3, 4)])
    merge(tmp_path / "all", sources)
    again = merge(tmp_path / "all", sources[:1])
    assert (again.written, again.replaced, again.lacking, again.known) == ([], [], [], 1)


def test_a_joined_run_and_its_shards_from_several_folders_give_one_run(tmp_path):
    sources = store_all(tmp_path / "nodes", [shard(index) for index in (1, 2, 3, 4)])
    merge(tmp_path / "all", sources)
    assert len(merge(tmp_path / "both", [tmp_path / "all", *sources]).written) == 1
    merge(tmp_path / "late", sources[:3])
    merged = merge(tmp_path / "late", [tmp_path / "all"])
    assert (len(merged.written), len(merged.replaced), merged.lacking) == (1, 3, [])
    for folder in ("both", "late"):
        (run,) = load_all([tmp_path / folder])
        assert (len(run.info.joined), len(run.records)) == (4, 8)


def test_the_line_about_missing_shards_names_the_run_that_was_left(tmp_path):
    whole = [shard(index, name="new ", started="2026-01-03T00:00:00+00:00") for index in (1, 2, 3, 4)]
    older = shard(3, name="old ", started="2026-01-01T00:00:00+00:00")
    (line,) = merge(tmp_path / "all", store_all(tmp_path / "nodes", [*whole, older])).lacking
    assert line.startswith("shard 3 of 4 ")
    assert line.endswith("started 2026-01-01T00:00:00+00:00; missing: 1, 2, 4")


def test_the_complete_run_of_a_shard_takes_the_place_of_a_stopped_one(tmp_path):
    stopped = shard(2, records=RECORDS[1:2], partial=True)
    others = [shard(index) for index in (1, 3, 4)]
    merge(tmp_path / "all", store_all(tmp_path / "before", [stopped, *others]))
    (partial,) = load_all([tmp_path / "all"])
    assert (partial.info.partial, len(partial.records)) == (True, 7)
    resumed = shard(2, resumed=True, options={**OPTIONS, "--bench-shard": "2/4", "--bench-resume": "yes"})
    merge(tmp_path / "all", store_all(tmp_path / "after", [resumed, *others]))
    (whole,) = load_all([tmp_path / "all"])
    assert (whole.info.partial, whole.info.resumed, len(whole.records)) == (False, True, 8)
    assert whole.info.run_id == partial.info.run_id
    assert len(list((tmp_path / "all").rglob("*.json"))) == 1


def test_a_sweep_that_was_made_twice_becomes_two_runs(tmp_path):
    shards = [
        shard(index, name=f"{day}-", started=f"2026-01-0{day}T00:00:00+00:00")
        for day in (2, 1)
        for index in (1, 2, 3, 4)
    ]
    merge(tmp_path / "all", store_all(tmp_path / "nodes", shards))
    assert [run.info.joined for run in load_all([tmp_path / "all"])] == [
        tuple(f"{day}-{index}" for index in (1, 2, 3, 4)) for day in (1, 2)
    ]


@pytest.mark.parametrize(
    "difference",
    [
        {"division": "d2"},
        {"commit": "another"},
        {"dirty": True},
        {"version": "0.0.1"},
        {"machine": factory.machine(kernel="6.2")},
        {"options": {"--bench-device": "cpu", "--bench-sweep": "full", "--bench-shard": "4/4"}},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_shards_that_differ_in_what_determines_figures_are_not_joined(tmp_path, difference):
    on = {"on": difference.pop("machine")} if "machine" in difference else {}
    odd = shard(4, **difference, **on)
    merged = merge(tmp_path / "all", store_all(tmp_path / "nodes", [*(shard(index) for index in (1, 2, 3)), odd]))
    assert (len(merged.written), merged.joined, len(merged.lacking)) == (4, {}, 2)


def test_nodes_that_wait_for_threads_in_another_way_are_equal_and_both_ways_are_named(tmp_path):
    policies = ("", "passive", "passive", "")
    shards = [shard(i, on=factory.machine(waiting=policy or None)) for i, policy in enumerate(policies, start=1)]
    merge(tmp_path / "all", store_all(tmp_path / "nodes", shards))
    (whole,) = load_all([tmp_path / "all"])
    assert whole.info.machine.waiting == "passive"


def test_nodes_of_one_kind_that_report_a_little_more_or_less_memory_are_equal(tmp_path):
    shards = [shard(i, on=factory.machine(memory=128 * 2**30 + 4096 * i)) for i in (1, 2, 3, 4)]
    merge(tmp_path / "all", store_all(tmp_path / "nodes", shards))
    (whole,) = load_all([tmp_path / "all"])
    assert len(whole.records) == 8
