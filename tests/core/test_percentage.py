"""Percentages that people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core.errors import OptionError
from bench_core.core.percentage import parse_percentage


@pytest.mark.parametrize(
    ("option", "share"), [("10%", 0.1), ("2.5%", 0.025), ("0%", 0.0), ("100%", 1.0), ("250%", 2.5)]
)
def test_percentage_is_read_as_a_share(option, share):
    assert parse_percentage(option, "--fail-above") == pytest.approx(share)


@pytest.mark.parametrize(
    "option", ["0.1", "10", "", "%", "-5%", "nan%", "inf%", "1e3%", "10  %", "10%%", "ten%", "٣%", f"{'9' * 400}%"]
)
def test_anything_else_is_refused_with_an_example(option):
    with pytest.raises(OptionError, match=r"--fail-above .*: is not a percentage; write .* such as 10%"):
        parse_percentage(option, "--fail-above")


@given(st.text(max_size=12))
def test_any_text_is_a_share_or_an_option_error(option):
    try:
        share = parse_percentage(option, "--fail-above")
    except OptionError:
        return
    assert 0.0 <= share < 1e4
    assert option.endswith("%")
