"""Which flags cast doubt on a time."""

import pytest

from bench_core.core.case import Case
from bench_core.core.records import CONTENDED
from bench_core.core.results import Flag, FlagCode
from bench_core.core.trust import HARMLESS, disturbances, doubts
from tests.support import factory

BUSY = "measured beside other work"
DOUBTFUL = {
    FlagCode.CONTENTION: BUSY,
    FlagCode.STOLEN_TIME: BUSY,
    FlagCode.INTERRUPTED: BUSY,
    FlagCode.NOT_STEADY: "not steady at the end of warm-up",
    FlagCode.CROSS_CHECK: "timed where twice the calls did not take twice the time",
}


def flagged(*codes):
    return factory.record(Case("w"), flags=tuple(Flag(code, f"text of {code}") for code in codes))


def test_whether_each_flag_casts_doubt_was_decided():
    assert DOUBTFUL.keys() | HARMLESS == set(FlagCode)
    assert not DOUBTFUL.keys() & HARMLESS


@pytest.mark.parametrize("code", FlagCode)
def test_doubt_is_put_into_words(code):
    assert doubts(flagged(code)) == ((DOUBTFUL[code],) if code in DOUBTFUL else ())


def test_flag_of_a_newer_version_is_a_doubt_in_its_own_words():
    assert doubts(flagged("throttled")) == ("flagged: text of throttled",)


def test_several_flags_of_other_work_are_one_doubt():
    assert doubts(flagged(*CONTENDED, FlagCode.NOT_STEADY)) == (BUSY, DOUBTFUL[FlagCode.NOT_STEADY])
    assert doubts(flagged()) == ()


def test_disturbances_are_other_work_alone():
    assert disturbances(flagged(FlagCode.NOT_STEADY)) == ()
    assert disturbances(flagged(FlagCode.NOT_STEADY, FlagCode.STOLEN_TIME)) == (BUSY,)
