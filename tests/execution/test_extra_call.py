"""What one more call shows: its casts (none where numbers are stored in the dtype), its operators, its memory."""

import sys

import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.modes import Casting, Casts
from bench_core.execution.extra_call import counted_call
from bench_core.workloads.kit.building import build
from tests.support.processes import python

pytestmark = pytest.mark.usefixtures("one_thread")


def counted(name, batch, variant="eager", dtype="bf16", setting=""):
    w, case = workloads.get(name), Case(name, batch_size=batch, variant=variant, dtype=dtype, setting=setting)
    return counted_call(build(w, case), case, w.casting_of(case), before=0)


@pytest.mark.parametrize(
    ("name", "batch", "setting"),
    [("gemm", 64, ""), ("mlp_infer", 16, ""), ("conv2d_grid", 1, ""), ("se_block", 1, "forward_backward")],
)
def test_what_is_stored_in_the_dtype_is_not_cast(name, batch, setting):
    assert counted(name, batch, setting=setting).casts == Casts(Casting.STORED, weights=0, others=0)


def test_autocast_casts_both_matrices():
    assert counted("gemm", 64, "autocast").casts == Casts(Casting.AUTOCAST, weights=0, others=2 * 64 * 64)


def test_autocast_casts_every_weight_and_the_inputs_of_an_inference():
    assert counted("mlp_infer", 16, "autocast").casts == Casts(Casting.AUTOCAST, weights=101_770, others=16 * 784)


def test_training_also_casts_gradients_back_and_the_logits_of_the_loss():
    # Inputs; logits to fp32 and their gradient back; the gradients of all weights.
    others = 64 * 784 + 2 * 64 * 10 + 101_770
    assert counted("mlp_train", 64).casts == Casts(Casting.AUTOCAST, weights=101_770, others=others)


def test_calls_that_do_not_show_their_operators_are_not_counted():
    with torch.compiler.set_stance("force_eager"):  # compiling takes seconds, and it is the variant that decides
        seen = counted("mlp_infer", 16, "compile")
    assert seen.casts == Casts(Casting.STORED)
    assert seen.counts is None
    assert "compile" in seen.uncounted


@pytest.mark.parametrize("dtype", ["fp32", "default"])
def test_other_dtypes_have_none(dtype):
    assert counted("gemm", 64, dtype=dtype).casts is None


def test_operators_of_an_inference_are_those_of_which_its_layers_consist():
    # The first layer, ReLU and the second; each layer adds its bias within the product.
    seen = counted("mlp_infer", 16, dtype="fp32")
    assert seen.counts.operators == 3
    weights, activations = 4 * 101_770, 4 * 16 * (784 + 128 + 128)
    assert seen.counts.bytes_read == weights + activations
    assert seen.counts.bytes_written == 4 * 16 * (128 + 128 + 10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets the peak of memory be reset")
def test_peak_of_memory_is_the_steps_own_after_a_larger_one():
    """In a process of its own: the memory of the test process is that of many tests."""
    result = python("-c", MEMORY)
    assert result.returncode == 0, result.stderr
    large, small = map(int, result.stdout.split())
    assert large == pytest.approx(8e8, rel=0.05)
    assert small == pytest.approx(2e8, rel=0.05)


MEMORY = """
import torch
from bench_core.core.step import Step
from bench_core.execution.extra_call import extra_call
from bench_core.execution.runner import memory_at_rest

for size in (800_000_000, 200_000_000):
    before = memory_at_rest()
    def use():
        return torch.empty(size, dtype=torch.uint8).fill_(1)[:1].clone()

    step = Step(fn=use, units=1, flops=None, devices=("cpu",), data="")
    step()
    print(extra_call(step, before).peak_host_memory)
"""
