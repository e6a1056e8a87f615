"""Which test of one side is which of the other."""

from bench_core.execution.pairing.matching import Matched, matched


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
