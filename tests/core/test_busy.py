"""Records that were measured beside other work, and the line about a machine that was busy throughout."""

from dataclasses import replace
from typing import Any

import pytest

from bench_core.core.busy import busy_line, contended_count, contended_line, contention_words, the_worst
from bench_core.core.case import Case
from bench_core.core.results import Contention, Flag, FlagCode
from tests.support import factory

CLEAN = [factory.record(Case("w", batch_size=size)) for size in (1, 2, 3, 4)]


@pytest.mark.parametrize("code", [*FlagCode, "code_of_a_newer_version"])
def test_a_record_is_contended_by_the_codes_of_its_flags_alone(code: str) -> None:
    record = factory.record(Case("w"), flags=(Flag(code, "reworded"),))
    assert record.contended == (code in ("contention", "stolen_time", "interrupted"))


def test_a_record_without_flags_is_not_contended() -> None:
    assert not CLEAN[0].contended


@pytest.mark.parametrize(("contended", "busy"), [(0, False), (1, False), (2, False), (3, True), (4, True)])
def test_a_machine_is_busy_if_more_than_half_of_its_cases_are_contended(contended: int, busy: bool) -> None:
    records = [factory.contended(r) if i < contended else r for i, r in enumerate(CLEAN)]
    assert (busy_line(records) is not None) == busy


def test_the_line_of_a_busy_machine_has_the_count_and_the_worst_case() -> None:
    records = [factory.contended(CLEAN[0], 100), factory.contended(CLEAN[1], 900), factory.contended(CLEAN[2], 300)]
    assert busy_line([*records, CLEAN[3]]) == (
        "busy machine: 3 of 4 cases were measured beside other work, so no verdict rests on them; the worst is "
        f"{CLEAN[1].case.id} (other work took the CPU away 900 times a second). Measure again while "
        "nothing else runs."
    )


def test_no_records_make_no_busy_machine() -> None:
    assert busy_line([]) is None


def test_one_case_is_counted_in_the_singular() -> None:
    assert contended_count([factory.contended(CLEAN[0])]) == "1 of 1 case was measured beside other work"


def test_one_contended_case_is_named_alone() -> None:
    line = contended_line([factory.contended(CLEAN[0]), *CLEAN[1:3]])
    assert line.startswith("1 of 3 cases was measured beside other work, so no verdict rests on it; it is ")


@pytest.mark.parametrize(
    "lost", [{"stolen": 0.25}, {"delay": 8.0}, {"involuntary_switches": 10_000}], ids=lambda lost: next(iter(lost))
)
def test_the_worst_is_the_case_that_lost_most_of_its_time_or_lost_it_most_often(lost: dict[str, Any]) -> None:
    records = [factory.contended(record) for record in CLEAN]
    records[2] = replace(records[2], contention=replace(records[2].contention, **lost))
    assert the_worst(records).startswith(f"the worst is {records[2].case.id} (other work ")


def test_a_case_of_no_time_is_not_the_worst() -> None:
    timeless = replace(factory.contended(CLEAN[0]), contention=Contention(0.0, 10**9, None, 0.0))
    assert the_worst([timeless, factory.contended(CLEAN[1])]).startswith(f"the worst is {CLEAN[1].case.id}")


def test_only_flags_of_contention_are_quoted() -> None:
    record = replace(CLEAN[0], flags=(Flag(FlagCode.NOT_STEADY, "not steady"), Flag(FlagCode.STOLEN_TIME, "stolen")))
    assert contention_words(record) == "stolen"
