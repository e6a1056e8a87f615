"""The twelve rules, each met and missed by data that decide it."""

import pytest

from bench_core.core.case import Case
from bench_core.core.records import NotRun, Outcome
from bench_core.report.content import analyze, content
from bench_core.report.sections.rules import MET, NAME, NO_CASE, NOT_MET
from tests.support import factory

ON_CPU = factory.machine(gpu=False)


def states(records=None, ceilings=(), **facts):
    report = content(analyze([factory.run(records, ceilings=ceilings, **facts)]))
    (study,) = [study for study in report.studies if study.name == NAME]
    (table,) = study.tables
    return study.sentences[0], [row[2] for row in table.rows], [row[3] for row in table.rows]


def test_a_whole_run_with_intervals_and_ceilings():
    sentence, found, why = states(ceilings=factory.ceilings())
    assert len(found) == 12
    expected = {3: NO_CASE, 7: NOT_MET}
    assert found == [expected.get(number, MET) for number in range(1, 13)]
    assert sentence == "10 are met, 1 is not."
    assert "within one process" in why[6]


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        (2, {"partial": True}, "1 run was stopped early"),
        (5, {"records": [factory.record(Case("gemm"), count=3)]}, "1 of 1 median has too few samples"),
        (9, {"commit": None}, "1 run has no commit"),
        (9, {"dirty": True}, "1 run has uncommitted changes"),
        (11, {}, "0 cases have a measured ceiling, of 11."),
    ],
)
def test_what_is_missing_is_named(rule, facts, words):
    _, found, why = states(**facts)
    assert found[rule - 1] == NOT_MET
    assert words in why[rule - 1]


def test_without_a_speedup_its_rules_do_not_apply():
    records = factory.sweep(devices=("cpu",), one_thread_at=None)
    _, found, _ = states(records, on=ON_CPU)
    assert (found[0], found[6]) == (NO_CASE, NO_CASE)


def test_what_was_skipped_with_a_reason_is_stated():
    left = NotRun("gemm-cpu-b4096-fp32-eager", Outcome.NOT_RUN, "no time was left")
    _, found, why = states(not_run=[left])
    assert found[1] == MET
    assert why[1] == "1 case or study is without a result, each with its reason."
