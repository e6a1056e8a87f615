"""Inference in 16 bits as it is deployed: the control in bf16 takes as long as a plain product of bf16 tensors."""

from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
import torch
from test_7_bare_loop import in_turns
from torch import Tensor

from bench_core import Case, workloads
from bench_core.hardware.precision import native_bf16

SIZE = 2048 if native_bf16() else 256
"""Without instructions for bf16, a product of 2048 would take seconds."""
ROUNDS = 12
MOST = 0.02
"""How far off the ratio of the two may be."""


def test_gemm_in_bf16_takes_as_long_as_a_plain_product_of_bf16_tensors(print_line: Callable[[str], None]) -> None:
    step = workloads.build(Case("gemm", batch_size=SIZE, dtype="bf16"))
    plain, again = product_loop(), product_loop()
    product = step()
    assert isinstance(product, Tensor)
    assert torch.equal(product, plain(1)), "the loop multiplies other matrices than the step"
    again(1)

    measured = in_turns(step, plain, again, ROUNDS)
    print_line(
        f"gemm n={SIZE} in bf16 / plain product: {measured}; "
        f"{1e3 * measured.seconds:.2f} ms a call, {measured.calls} calls in a block"
    )
    assert abs(measured.ratio - 1) <= MOST


def product_loop() -> Callable[[int], Tensor]:
    """Products of the step's matrices, drawn and stored as the suite does it, but written by hand."""
    rng = np.random.default_rng(0)
    count = max(1, min(8, 64 * 2**20 // (2 * 2 * SIZE**2)))
    drawn = [(rng.standard_normal((SIZE, SIZE)), rng.standard_normal((SIZE, SIZE))) for _ in range(count)]
    turn = cycle([tuple(torch.tensor(matrix).to(torch.bfloat16) for matrix in pair) for pair in drawn])

    def loop(calls: int) -> Tensor:
        for a, b in islice(turn, calls):
            with torch.inference_mode():
                product: Tensor = a @ b
        return product

    return loop
