"""Whether two stored runs agree within their intervals plus 1%."""

import factory
import pytest
import repeatability
from factory import Case
from repeatability import main

CASES = [Case("w", batch_size=2**i) for i in range(20)]


def run(factors, **changes):
    records = [factory.record(case, 1e-3 * f, **changes) for case, f in zip(CASES, factors, strict=True)]
    return factory.run(records, started=f"2026-01-01T00:00:{len(set(factors)):02d}+00:00")


def found(factors, **changes):
    return repeatability.repeatability(run([1.0] * 20), run(factors, **changes))


def test_the_same_figures_agree():
    assert found([1.0] * 20).share == 1.0


def test_what_lies_beyond_the_intervals_and_the_slack_does_not_agree():
    second = found([1.0] * 18 + [1.2, 0.8])
    assert second.share == pytest.approx(0.9)
    assert [c.case for c in second.apart] == CASES[18:]


def test_the_slack_comes_on_top_of_the_intervals():
    (first,) = run([1.0] + [1.0] * 19).records[:1]
    half = first.timing.rel_half_width
    joined = 2**0.5 * half
    assert found([1.0 + 0.5 * joined] * 20).share == 1.0
    assert found([1.0 + joined + 0.006] * 20).share > 0.5
    assert found([1.0 + 2 * joined + 0.03] * 20).share < 0.1


def test_without_an_interval_only_the_slack_counts():
    assert found([1.005] * 20, count=4).share == pytest.approx(1.0, abs=0.3)
    assert found([1.2] * 20, count=4).share == 0.0


def test_the_command_says_the_share_and_what_is_apart(tmp_path, capsys):
    one, two = (factory.store(run(f), tmp_path / f"{n}.json") for n, f in enumerate(([1.0] * 20, [1.0] * 18 + [2, 2])))
    assert main([str(one), str(one)]) == 0
    assert "100.0% of 20 cases agree" in capsys.readouterr().out
    assert main([str(one), str(two)]) == 1
    said = capsys.readouterr().out
    assert "90.0% of 20 cases" in said
    assert said.count("apart: ") == 2
    assert main([]) == 2
