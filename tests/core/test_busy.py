"""Records that were measured beside other work, and the line about a machine that was busy throughout."""

from dataclasses import replace

import pytest

from bench_core.core.busy import at_worst, busy_line, contended_count
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
        "busy machine: 3 of 4 cases were measured beside other work, so no verdict rests on them; at worst, other work "
        f"took the CPU away 900 times a second ({CLEAN[1].case.id}). Measure again while nothing else runs."
    )


def test_no_records_make_no_busy_machine() -> None:
    assert busy_line([]) is None


def test_one_case_is_counted_in_the_singular() -> None:
    assert contended_count([factory.contended(CLEAN[0])]) == "1 of 1 case was measured beside other work"


def test_stolen_time_is_named_beside_switches() -> None:
    flag = Flag(FlagCode.STOLEN_TIME, "any words")
    stolen = replace(CLEAN[1], flags=(flag,), contention=Contention(1.0, 0, stolen=0.25, load_before=0.0))
    assert at_worst([stolen]) == f"the host gave 25% of the CPU time to other machines ({stolen.case.id})"
    both = at_worst([factory.contended(CLEAN[0]), stolen])
    assert both.startswith(
        "other work took the CPU away 900 times a second (w-cpu-b1-fp32-eager) and the host gave 25%"
    )


def test_a_contention_of_no_time_has_no_rate() -> None:
    assert Contention(0.0, 5, None, 0.0).switches_per_second == 0.0
    assert Contention(2.0, 5, None, 0.0).switches_per_second == 2.5
