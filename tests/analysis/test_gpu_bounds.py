"""An upper bound of a GPU's speedup, for work whose cost is known."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.gpu_bounds import DATA_SHEETS, DataSheet, SpeedupBound, bound
from bench_core.analysis.regimes import Figures

GPU = DataSheet("G", {"fp32": 1e13, "tf32": 1e14, "fp16": 2e14}, bandwidth=1e12, cache=10**7, source="here")
WORK = Figures(1.0, flops=10**10, footprint=10**9, operators=10)


def limited(sheet: DataSheet, figures: Figures, each: float = 1e-6) -> SpeedupBound:
    found = bound(sheet, figures, each)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("work", "limit", "seconds"),
    [
        (WORK, "compute", 1e-3),
        (replace(WORK, footprint=10**10 + 10**7), "bandwidth", 1e-2),
        (replace(WORK, flops=None), "bandwidth", (10**9 - 10**7) / 1e12),
        (replace(WORK, operators=10**5), "issue", 0.1),
        (replace(WORK, footprint=10**7, flops=None), "issue", 1e-5),
        (replace(WORK, loader=0.5), "loader", 0.5),
    ],
)
def test_the_longest_part_limits_the_speedup(work, limit, seconds):
    found = limited(GPU, work)
    assert found.limit == limit
    assert found.speedup == pytest.approx(1.0 / seconds)


def test_small_work_gains_nothing():
    assert limited(GPU, Figures(1e-5, flops=100, footprint=100, operators=20)).speedup < 1.0


def test_without_counts_there_is_no_bound():
    assert bound(GPU, Figures(1.0, flops=10**10), 1e-6) is None


def test_a_dtype_has_its_own_peak_and_by_default_that_is_tf32():
    dtypes = ("fp32", "default", "tf32", "fp16")
    times = {dtype: limited(GPU, replace(WORK, dtype=dtype)).parts["compute"] for dtype in dtypes}
    assert times == pytest.approx({"fp32": 1e-3, "default": 1e-4, "tf32": 1e-4, "fp16": 5e-5})
    assert bound(GPU, replace(WORK, dtype="bf16"), 1e-6) is None
    older = DataSheet("O", {"fp32": 1e13}, 1e12, 0, "here")
    assert older.peak("tf32") == older.peak("default") == older.peak("fp32"), "without TF32 it computes in fp32"


@given(st.floats(1e-6, 10.0), st.integers(0, 10**13), st.integers(0, 10**10), st.integers(1, 10**4))
def test_more_work_is_never_a_larger_speedup(seconds, flops, footprint, operators):
    for sheet in DATA_SHEETS:
        one, more = (
            limited(sheet, Figures(seconds, flops=k * flops, footprint=k * footprint, operators=k * operators))
            for k in (1, 2)
        )
        assert more.speedup <= one.speedup


def test_data_sheets_are_complete_and_differ():
    assert len({sheet.name for sheet in DATA_SHEETS}) == len(DATA_SHEETS)
    for sheet in DATA_SHEETS:
        assert sheet.source
        assert 1e12 < sheet.flops["fp32"] <= (sheet.peak("default") or 0.0) <= sheet.flops["fp16"] < 1e16
        assert 1e11 < sheet.bandwidth < 1e13
        assert 2**20 < sheet.cache < 2**28
