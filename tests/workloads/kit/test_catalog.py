"""The catalog: a page of Markdown about all workloads."""

from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from bench_core import cli, workloads
from bench_core.workloads.kit import catalog
from bench_core.workloads.kit.definition import KnownCosts

PAGE = Path(__file__).parents[3] / "docs" / "workloads.md"
NO_PARITY = "Not checked against float64"


def test_committed_page_is_up_to_date() -> None:
    result = CliRunner().invoke(cli.app, ["list", "--markdown"])
    assert result.exit_code == 0
    current = PAGE.read_text(encoding="utf-8") == result.stdout
    assert current, f"docs/workloads.md is out of date; write it anew: {catalog.COMMAND}"


def test_entry_has_all_that_is_known() -> None:
    entry = catalog.entry(workloads.get("lstm_ar_train"))
    for words in (
        "Neural Computation 9(8), 1997",
        "464,256 FLOPs per unit (series); 17,217 parameters; both for setting T5h64",
        "on a CPU**: T5h64 at 1 · 8 · 32 · 256 · 2,048; T20h64, T80h64, T5h256, T5h1024 at 32",
        "Variants**: eager, compile",
        "depend on each other",
    ):
        assert words in entry
    assert "Dtypes" not in entry
    assert NO_PARITY not in entry


def test_workload_of_which_little_is_known_has_an_entry() -> None:
    bare = replace(
        workloads.get("lstm_ar_train"),
        batches={"cpu": (), "cuda": (8, 4096)},
        reference_batch=8,
        heavy=True,
        full_batches={"cpu": (8,)},
        settings={},
        known_costs=KnownCosts(),
        regime="",
        no_parity="nothing is computed",
    )
    page = catalog.markdown([bare])
    assert "FLOPs not defined" in page
    assert "on a CPU**: only in a full sweep: 8." in page
    assert "on a GPU**: 8 · 4,096." in page
    assert f"**{NO_PARITY}**: nothing is computed." in page
    assert "Known in advance**" not in catalog.entry(bare)
    assert "Expected regime**" not in catalog.entry(bare)
    assert "| series | – | – |" in page


def test_entry_names_a_device_that_the_workload_is_not_defined_on() -> None:
    cpu_only = replace(workloads.get("lstm_ar_train"), batches={"cpu": (32,), "cuda": ()})
    assert "on a GPU**: none: not defined for this device." in catalog.entry(cpu_only)
