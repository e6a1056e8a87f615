"""Whether two stored runs agree within their intervals plus 1%."""

import pytest
import repeatability
from repeatability import main

from bench_core.core.case import Case
from tests.support import factory

CASES = [Case("w", batch_size=2**i) for i in range(20)]


def run(factors, **changes):
    records = [factory.record(case, 1e-3 * f, **changes) for case, f in zip(CASES, factors, strict=True)]
    return factory.run(records, started=f"2026-01-01T00:00:{len(set(factors)):02d}+00:00")


def agreement(factors, **changes):
    return repeatability.repeatability(run([1.0] * 20), run(factors, **changes))


def test_identical_runs_agree():
    assert agreement([1.0] * 20).share == 1.0


def test_cases_beyond_the_intervals_and_the_slack_do_not_agree():
    second = agreement([1.0] * 18 + [1.2, 0.8])
    assert second.share == pytest.approx(0.9)
    assert [c.case for c in second.apart] == CASES[18:]


def test_slack_is_added_to_the_intervals():
    (first,) = run([1.0] + [1.0] * 19).records[:1]
    half = first.timing.rel_half_width
    joined = 2**0.5 * half
    assert agreement([1.0 + 0.5 * joined] * 20).share == 1.0
    assert agreement([1.0 + joined + 0.006] * 20).share > 0.5
    assert agreement([1.0 + 2 * joined + 0.03] * 20).share < 0.1


def test_case_without_an_interval_agrees_within_the_slack_only():
    assert agreement([1.005] * 20, count=4).share == pytest.approx(1.0, abs=0.3)
    assert agreement([1.2] * 20, count=4).share == 0.0


def test_command_prints_the_share_and_the_cases_that_disagree(tmp_path, capsys):
    one, two = (factory.store(run(f), tmp_path / f"{n}.json") for n, f in enumerate(([1.0] * 20, [1.0] * 18 + [2, 2])))
    assert main([str(one), str(one)]) == 0
    assert "100.0% of 20 cases agree" in capsys.readouterr().out
    assert main([str(one), str(two)]) == 1
    printed = capsys.readouterr().out
    assert "90.0% of 20 cases" in printed
    assert printed.count("apart: ") == 2
    assert main([]) == 2
