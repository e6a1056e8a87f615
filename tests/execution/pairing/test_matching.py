"""Which test of one side is which of the other."""

import pytest

from bench_core.core.errors import OptionError
from bench_core.execution.pairing.matching import Matched, matched, measuring


def names(*ids):
    return {item: f"name of {item}" for item in ids}


def test_tests_of_one_id_are_the_same_and_others_are_missing():
    assert matched(names("f[1]", "f[old]", "g"), names("f[1]", "f[new]", "g")) == [
        Matched("f[1]", "f[1]", "name of f[1]"),
        Matched("g", "g", "name of g"),
        Matched(None, "f[new]", "name of f[new]"),
        Matched("f[old]", None, "name of f[old]"),
    ]


def test_tests_that_options_name_differently_are_matched_in_their_order():
    found = matched(names("f[a-t1]", "f[b-t1]", "g"), names("f[a-t2]", "f[b-t2]", "g"), by_place=True)
    assert [one.ids for one in found] == [("g", "g"), ("f[a-t1]", "f[a-t2]"), ("f[b-t1]", "f[b-t2]")]
    assert found[1].name == "name of f[a-t2] (base: name of f[a-t1])"
    assert found[1].id == "f[a-t2]"


def test_they_are_not_if_their_numbers_differ():
    found = matched(names("f[a-t1]"), names("f[a-t2]", "f[b-t2]"), by_place=True)
    assert {one.ids for one in found} == {(None, "f[a-t2]"), (None, "f[b-t2]"), ("f[a-t1]", None)}


def test_nothing_matches_nothing():
    assert matched({}, {}) == []


class TestMeasuring:
    CASE = Matched("t.py::w[a-cpu]", "t.py::w[a-cpu]", "gemm-cpu-b8-fp32-eager")
    USERS = Matched("t.py::u[cpu-x]", "t.py::u[cpu-x]", "t.py::u[cpu-x]")
    OTHER = Matched("t.py::v", "t.py::v", "t.py::v")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("gemm-cpu-b8-fp32-eager", CASE),
            ("t.py::w[a-cpu]", CASE),
            ("t.py::u-x-cpu-b64-default-eager-t1", USERS),
            ("t.py::v-cpu-b1-default-eager", OTHER),
        ],
    )
    def test_a_case_is_found_by_its_name_over_time(self, name, expected):
        assert measuring(name, [self.CASE, self.USERS, self.OTHER]) is expected

    def test_a_test_that_was_moved_is_missing_and_one_of_both_sides_is_preferred(self):
        old, new = Matched("old.py::w", None, self.CASE.name), Matched(None, "new.py::w", self.CASE.name)
        assert measuring(self.CASE.name, [old, new]) is old
        assert measuring(self.CASE.name, [old, self.CASE, new]) is self.CASE

    def test_none_and_several_are_refused(self):
        with pytest.raises(OptionError, match=r"no collected test measures gemm-cpu-b8-fp32-eager; .*--tests"):
            measuring(self.CASE.name, [self.USERS])
        twin = Matched("u.py::w", "u.py::w", self.CASE.name)
        with pytest.raises(OptionError, match=r"several tests measure .* \(t.py::w\[a-cpu\], u.py::w\); .*--tests"):
            measuring(self.CASE.name, [self.CASE, twin])
