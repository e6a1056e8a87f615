"""The history in a terminal: the newest regressions first, within 80 columns, and counts of what is not shown."""

import math
from dataclasses import replace

from bench_core.analysis.history.steps import find_steps
from bench_core.report.history import as_text
from bench_core.storage.values import BYTES, MEMORY
from tests.support.values import collected, commit, noisy, values

UP = noisy([(25, 1e-3), (15, 1.1e-3)])


def text_of(*series, notes=()):
    return as_text(find_steps(replace(collected(*series), notes=tuple(notes))))


def test_a_regression_has_its_change_runs_and_levels():
    text = text_of(values(UP))
    assert text.startswith("40 runs, 2026-01-01 to 2026-02-09: 1 series on 1 machine\n")
    assert "1 regression:\n+10.0%  mlp_train-cpu-b64-fp32-eager\n" in text
    assert "1.00 ms -> 1.10 ms, confidence 99.9%" in text
    assert f"since 2026-01-26 06:30, {commit(25)[:10]}; before: {commit(24)[:10]}" in text


def test_commits_with_changes_are_marked():
    changed = [replace(v, origin=replace(v.origin, dirty=v.origin.run == "run-25")) for v in values(UP)]
    assert f"since 2026-01-26 06:30, {commit(25)[:10]}-dirty; before: {commit(24)[:10]}\n" in text_of(changed)


def test_candidates_and_recovered_steps_are_marked():
    text = text_of(values(noisy([(30, 1.0), (4, 1.3)]), "a"), values(noisy([(12, 1.0), (10, 1.2), (10, 1.0)]), "b"))
    assert "        candidate\n" in text
    assert f"        recovered 2026-01-23 06:30 with {commit(22)[:10]}\n" in text
    assert "1 improvement:\n" in text
    assert "undoes an earlier step" in " ".join(text.split())


def test_series_of_the_same_case_say_where_they_differ():
    text = text_of(values(UP), values([2 * n for n in UP], software="torch 2.12.0"))
    assert text.count("mlp_train-cpu-b64-fp32-eager\n        torch 2.1") == 2
    assert "Synthetic CPU" not in text


def test_memory_is_named_and_in_bytes():
    text = text_of(values([n * 2**36 for n in UP], metric=MEMORY, unit=BYTES))
    assert "+10.0%  mlp_train-cpu-b64-fp32-eager, peak memory\n" in text
    assert "65.5 MiB -> 72.1 MiB" in text


def test_without_regressions_it_says_so():
    assert "No regressions.\n" in text_of(values(noisy([(30, 1.0)])))


def test_what_is_left_out_is_counted():
    text = text_of(values([1.0, math.nan, 2.0]), notes=["0001.json: broken"])
    assert "1 series too short for steps (fewer than 10 values)\n" in text
    assert "1 value left out: not positive and finite\n" in text
    assert "Skipped: 0001.json: broken\n" in text


def test_many_steps_are_counted_and_lines_fit_in_80_columns():
    down = [1e-6 / n for n in UP]
    many = [values(numbers, f"workload_{i}-{kind}-cuda-b4096-bf16-channels_last+compile")
            for i in range(30) for kind, numbers in (("up", UP), ("down", down))]  # fmt: skip
    text = text_of(*many, notes=[f"{i}: broken" for i in range(8)])
    assert "30 regressions, the newest first:\n" in text
    assert "... and 24 more regressions\n" in text
    assert "... and 20 more improvements\n" in text
    assert "... and 3 more skipped\n" in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 60


def test_names_cannot_move_the_cursor():
    assert "\x1b" not in text_of(values(UP, "evil\x1b[2Jname"))
