"""The page of the workloads."""

from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from bench_core import cli, workloads
from bench_core.workloads.kit import catalog
from bench_core.workloads.kit.definition import KnownCosts

PAGE = Path(__file__).parents[1] / "docs" / "workloads.md"


def test_the_committed_page_is_what_the_workloads_say():
    result = CliRunner().invoke(cli.app, ["list", "--markdown"])
    assert result.exit_code == 0
    current = PAGE.read_text(encoding="utf-8") == result.stdout
    assert current, f"docs/workloads.md is out of date; write it anew: {catalog.COMMAND}"


def test_an_entry_says_all_that_is_known():
    entry = catalog.entry(workloads.get("lstm_ar_train"))
    for words in (
        "Neural Computation 9(8), 1997",
        "464,256 FLOPs a unit, the series; 17,217 parameters; both with T5h64",
        "on a CPU**: T5h64 at 1 · 8 · 32 · 256 · 2,048; T20h64, T80h64, T5h256, T5h1024 at 32",
        "Variants**: eager, compile",
        "wait for each other",
    ):
        assert words in entry
    assert "Dtypes" not in entry
    assert "Not held against float64" not in entry


def test_a_workload_of_which_little_is_known_has_an_entry_too():
    bare = replace(
        workloads.get("lstm_ar_train"),
        batches={"cpu": (), "cuda": (1, 4096)},
        full_batches={"cpu": (8,)},
        settings=(),
        anchor=KnownCosts(""),
        no_parity="nothing is computed",
    )
    page = catalog.markdown([bare])
    assert "FLOPs not defined" in page
    assert "on a CPU**: only in a full sweep 8." in page
    assert "on a GPU**: 1 · 4,096." in page
    assert "**Not held against float64**: nothing is computed." in page
    assert "KnownCosts**" not in page
    assert "| series | – | – |" in page
    nowhere = replace(bare, batches={"cpu": (), "cuda": ()}, full_batches={})
    assert "on a GPU**: none: it is not defined there." in catalog.entry(nowhere)
