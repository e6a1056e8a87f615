"""The precision of fp32 work: what a dtype sets, and that torch's older switches agree with it."""

from collections.abc import Iterator

import pytest
import torch

from bench_core.hardware import precision


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with precision.preserved():
        yield


@pytest.mark.parametrize("dtype", ["tf32", "fp32", "default", "bf16"])
def test_the_older_switches_can_be_read_and_agree(dtype: str) -> None:
    """Torch raises when they are read and contradict; its compiler reads them."""
    precision.Guard.ensure(precision.settings_for("fp32"))
    precision.Guard.ensure(precision.settings_for(dtype))
    assert precision.current() == dict(precision.settings_for(dtype))
    assert torch.backends.cuda.matmul.allow_tf32 == (dtype == "tf32")
    assert torch.get_float32_matmul_precision() == ("high" if dtype == "tf32" else "highest")
    assert torch.backends.cudnn.allow_tf32 == (dtype in ("tf32", "default"))
