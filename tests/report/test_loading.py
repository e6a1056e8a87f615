"""Stored runs as a table."""

import re
from pathlib import Path

import pytest

import bench_core
from bench_core.core.errors import BenchError
from tests.support import factory

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture
def stored(tmp_path):
    older = factory.run(started="2026-01-01T00:00:00+00:00", ceilings=factory.ceilings())
    newer = factory.run(factory.sweep("gan_step"))
    return [factory.store(run, tmp_path / "results" / name) for run, name in ((newer, "1.json"), (older, "2.json"))]


def test_each_case_of_each_run_is_a_row_the_oldest_run_first(stored):
    cases = bench_core.load(stored[0].parent)
    assert list(dict.fromkeys(cases["workload"])) == ["mlp_train", "gan_step"]
    assert len(cases) == 22
    on_cpu = cases[(cases["device"] == "cpu") & (cases["batch_size"] == 64) & (cases["threads"] == 16)]
    assert on_cpu["seconds_per_unit"].to_numpy() == pytest.approx([(2e-5 + 64 * 4e-6) / 64] * 2, rel=0.01)


def test_causes_are_from_the_ceilings_of_the_same_run(stored):
    cases = bench_core.load(stored)
    with_cause = cases[cases["bound_by"].notna()]
    assert set(with_cause["workload"]) == {"mlp_train"}


def test_a_single_file_may_be_a_string(stored):
    assert set(bench_core.load(str(stored[0]))["workload"]) == {"gan_step"}


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(BenchError, match="does not exist"):
        bench_core.load(tmp_path / "nothing.json")


def test_the_documentation_has_every_column(stored):
    table = DOCS.read_text(encoding="utf-8").partition("| --- | --- |")[2]
    named = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.partition(" | ")[0])]
    assert named == list(bench_core.load(stored).columns)
