"""How many numbers a call casts: none where they are stored in the dtype, and all that autocast casts."""

import pytest

from bench_core import Case, workloads
from bench_core.core.modes import Casting, Casts
from bench_core.execution.casting import casts_of
from bench_core.workloads.kit.building import build

pytestmark = pytest.mark.usefixtures("one_thread")


def counted(name, batch, variant="eager", dtype="bf16", setting=""):
    w, case = workloads.get(name), Case(name, batch_size=batch, variant=variant, dtype=dtype, setting=setting)
    return casts_of(build(w, case), case, w.casting_of(case))


@pytest.mark.parametrize(
    ("name", "batch", "setting"),
    [("gemm", 64, ""), ("mlp_infer", 16, ""), ("conv2d_grid", 1, ""), ("se_block", 1, "forward_backward")],
)
def test_what_is_stored_in_the_dtype_is_not_cast(name, batch, setting):
    assert counted(name, batch, setting=setting) == Casts(Casting.STORED, weights=0, others=0)


def test_autocast_casts_both_matrices():
    assert counted("gemm", 64, "autocast") == Casts(Casting.AUTOCAST, weights=0, others=2 * 64 * 64)


def test_autocast_casts_every_weight_and_the_inputs_of_an_inference():
    assert counted("mlp_infer", 16, "autocast") == Casts(Casting.AUTOCAST, weights=101_770, others=16 * 784)


def test_training_also_casts_gradients_back_and_the_logits_of_the_loss():
    # Inputs; logits to fp32 and their gradient back; the gradients of all weights.
    others = 64 * 784 + 2 * 64 * 10 + 101_770
    assert counted("mlp_train", 64) == Casts(Casting.AUTOCAST, weights=101_770, others=others)


def test_calls_that_do_not_show_their_operators_are_not_counted():
    assert counted("mlp_infer", 16, "compile") == Casts(Casting.STORED)


@pytest.mark.parametrize("dtype", ["fp32", "default"])
def test_other_dtypes_have_none(dtype):
    assert counted("gemm", 64, dtype=dtype) is None
