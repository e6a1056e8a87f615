"""A sweep divided over equal machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core.errors import OptionError
from bench_core.core.records import Shard
from bench_core.execution.messages import opening
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession
from bench_core.execution.sharding import divide
from tests.execution.test_session import QUICK, SYNTHETIC_CPU
from tests.support import factory
from tests.test_sweep_run import ROOT

WORK = st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0.1, 1e3), min_size=1, max_size=40)


@given(WORK, WORK, st.integers(1, 8), st.randoms())
def test_all_work_is_divided_each_piece_once_and_no_part_is_longer_by_more_than_one_piece(cases, others, count, order):
    count = min(count, len(cases))
    others = {f"study {name}": seconds for name, seconds in others.items()}
    division = divide(cases, others, count)
    assert sorted(name for part in division.parts for name in part) == sorted({**cases, **others})
    assert all(set(part) & set(cases) for part in division.parts)
    work = {**cases, **others}
    assert division.seconds == pytest.approx([sum(work[name] for name in part) for part in division.parts])
    added = sorted(cases.values())[count - 1]  # to a part of studies alone, as a run without a case is not stored
    assert max(division.seconds) - min(division.seconds) <= (max(work.values()) + added) * (1 + 1e-9)
    shuffled = list(cases.items())
    order.shuffle(shuffled)
    assert divide(dict(shuffled), others, count) == division


def test_the_longest_case_is_not_added_to_a_part_that_has_others():
    assert divide({"a": 1.0, "b": 0.5, "c": 0.5}, {}, 2).seconds == (1.0, 1.0)
    assert divide({"a": 2.0, "b": 2.0, "c": 1.0, "d": 1.0}, {}, 3).seconds == (2.0, 2.0, 2.0)


def test_a_part_of_studies_alone_gets_the_cheapest_case():
    division = divide({"a": 6.0, "b": 2.0, "c": 1.0}, {"ladder": 10.0}, 2)
    assert division.parts == (("c", "ladder"), ("a", "b"))


def test_machines_that_divide_otherwise_have_another_division():
    work = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert divide(work, {}, 2).id == divide(dict(reversed(work.items())), {}, 2).id
    assert divide(work, {}, 2).id != divide({**work, "c": 4.0}, {}, 2).id
    assert divide(work, {}, 2).id != divide({**work, "d": 1.0}, {}, 2).id


def shard_of(root, index, count, stored=(), **given):
    """The session of a shard, and the names that it measures, by the reference runs of the checkout or ``stored``."""
    session = BenchSession(parse({"device": "cpu", "shard": f"{index}/{count}", **given}, root))
    cases = session.selection.cases_of()
    return session, cases, session.selection.take_shard(cases, [], {}, stored or [ROOT / "results" / "reference"])


@pytest.mark.parametrize("count", [2, 4, 8])
def test_shards_of_the_default_sweep_have_each_case_once_and_equal_seconds_within_a_tenth(tmp_path, count):
    shards = [shard_of(tmp_path, index, count) for index in range(1, count + 1)]
    session, cases, _ = shards[0]
    assert sorted(name for *_, names in shards for name in names) == sorted(case.id for case in cases)
    assert len({session.selection.shard.division for session, *_ in shards}) == 1
    seconds = session.selection.division.seconds
    assert max(seconds) < 1.1 * min(seconds)


def test_a_shard_says_which_it_is_and_how_long_all_take(tmp_path):
    session, cases, names = shard_of(tmp_path, 2, 2, [tmp_path], **{**QUICK, "workload": "gemm", "batch_size": "8,16"})
    session.plan([case for case in cases if case.id in names], 0, [], {})
    assert session.info(tmp_path).shard == session.selection.shard == Shard(2, 2, session.selection.division.id)
    first, second, *_ = opening(session)
    assert first.startswith("1 case on cpu")
    assert second == "shard 2 of 2, expected to take 1 s on the machine of the reference run; all shards 1 s to 1 s"


def test_what_other_machines_lack_is_noted_of_the_whole_sweep_by_each_shard(tmp_path):
    one, cases, names = shard_of(tmp_path, 1, 2)
    one.plan([case for case in cases if case.id in names], 0, [], {})
    whole = BenchSession(parse({"device": "cpu"}, tmp_path))
    whole.plan(whole.selection.cases_of(), 0, [], {})
    assert one.not_run == whole.not_run


def test_more_shards_than_cases_are_an_error(tmp_path):
    with pytest.raises(OptionError, match="3 shards need as many cases, and there are 2"):
        shard_of(tmp_path, 1, 3, [tmp_path], **{**QUICK, "workload": "gemm", "batch_size": "8,16"})


def test_the_forecast_is_not_made_from_a_shard(tmp_path):
    session = BenchSession(parse({**QUICK, "workload": "gemm", "batch_size": "8"}, tmp_path))
    cases = session.selection.cases_of()
    for number, seconds, shard in ((1, 400.0, None), (2, 1000.0, Shard(1, 2, "a"))):
        slow = [factory.record(case, wall_seconds=seconds) for case in cases]
        factory.store(factory.run(slow, SYNTHETIC_CPU, shard=shard), tmp_path / "stored" / f"000{number}_run.json")
    session.plan(cases, 0, [tmp_path / "stored"], {})
    assert opening(session)[0].endswith("about 7 min")


def test_user_tests_are_divided_too(tmp_path):
    names = [f"test_file.py::test_{letter}" for letter in "abc"]
    taken = []
    for index in (1, 2):
        session = BenchSession(parse({"device": "cpu", "shard": f"{index}/2"}, tmp_path))
        taken.append(session.selection.take_shard([], names, {"ladder-cpu": 5.0}, [tmp_path]))
    assert sorted(taken[0] + taken[1]) == sorted([*names, "ladder-cpu"])
    assert all(set(part) & set(names) for part in taken)
