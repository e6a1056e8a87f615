"""Memory, energy and price in the report."""

from dataclasses import replace

import pandas as pd
import pytest

from bench_core import report
from bench_core.core.case import Case
from bench_core.core.errors import OptionError
from bench_core.core.results import CPU_PACKAGES, GPU_BOARD, Energy
from bench_core.report.content import analyze, content
from bench_core.report.prices import parse_prices
from tests.support import factory

CASES = [factory.record(Case("gemm", device=device, batch_size=10), 1e-3) for device in ("cpu", "cuda")]
MEASURED = [
    replace(CASES[0], energy=(Energy(CPU_PACKAGES, 30.0, 2.0, 2000),)),
    replace(CASES[1], energy=(Energy(CPU_PACKAGES, 20.0, 2.0, 2000), Energy(GPU_BOARD, 600.0, 2.0, 2000))),
]


def costs(records, prices=None):
    shown = content(analyze([factory.run(records)]), prices or {})
    (family,) = shown.families.values()
    (table,) = [table for table in family[0].tables if table.caption.startswith("Memory")]
    return table


def test_memory_is_always_there_energy_and_price_if_known():
    table = costs(CASES)
    assert table.caption.startswith("Memory:")
    assert "Host memory, peak" in table.headings
    assert not [heading for heading in table.headings if "nergy" in heading or "rice" in heading]


def test_energy_is_per_unit_and_names_its_boundary():
    table = costs(MEASURED)
    assert table.caption.startswith("Memory, energy and price")
    column = table.headings.index("Energy per image")
    assert [row[column] for row in table.rows] == [
        "1.50 mJ, CPU packages (RAPL)",
        "1.00 mJ, CPU packages (RAPL); 30.0 mJ, GPU board (NVML)",
    ]


def test_price_is_that_of_the_device_for_the_time():
    table = costs(CASES, {"cuda": 3.6})
    column = table.headings.index("Price of a million, image")
    # 1e6 images at 1e-4 s are 100 s, of which an hour costs 3.6.
    assert [row[column] for row in table.rows] == ["–", "0.100"]


@pytest.mark.usefixtures("empty_plots")
def test_the_csv_has_both(tmp_path):
    report.write([factory.run(MEASURED)], tmp_path, prices={"cpu": 1.0})
    cases = pd.read_csv(tmp_path / "cases.csv").set_index("device")
    assert cases.loc["cuda", "gpu_joules_per_unit"] == pytest.approx(0.03)
    assert cases.loc["cpu", "cpu_joules_per_unit"] == pytest.approx(0.0015)
    assert cases.loc["cpu", "price_per_million_units"] == pytest.approx(100 / 3600, rel=0.01)
    assert cases["price_per_million_units"].isna().to_list() == [False, True]


def test_prices_are_read():
    assert parse_prices(["cpu=0.4", "cuda=3"]) == {"cpu": 0.4, "cuda": 3.0}


@pytest.mark.parametrize("word", ["cuda", "cuda=", "tpu=1", "cpu=-1", "cpu=nan", "cpu=inf", "=2"])
def test_what_is_no_price_is_refused(word):
    with pytest.raises(OptionError, match="--price"):
        parse_prices([word])
