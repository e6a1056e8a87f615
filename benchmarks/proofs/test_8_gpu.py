"""Truth on a GPU: our wall time against the GPU's own clock, torch's Timer and triton's do_bench, in turn in one run.

Long steps keep the device busy; two short ones are bound by the host, which the figures must show.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from clocks import ROUNDS, clocks

from bench_core import Case, Step, measure, workloads
from bench_core.hardware.device import resolve
from bench_core.hardware.machine import EMULATION

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif(EMULATION in os.environ, reason="the times of an emulated GPU mean nothing"),
]

PrintLine = Callable[[str], None]

CASES = (
    *(Case("gemm", "cuda", batch_size=n) for n in (2048, 4096, 8192)),
    *(Case("conv2d_grid", "cuda", batch_size=n, setting="k3s1p1-64x64") for n in (256, 1024)),
    Case("resblock_identity", "cuda", batch_size=256, setting="forward"),
    Case("se_block", "cuda", batch_size=256, setting="forward"),
    Case("mlp_train", "cuda", batch_size=65_536),
    Case("resnet50_infer", "cuda", batch_size=64),
    Case("dcgan64_step", "cuda", batch_size=128),
    Case("mlp_train", "cuda", batch_size=64),
    Case("lstm_ar_train", "cuda", batch_size=32, setting="T5h64"),
)
SECONDS = 0.3


def test_wall_time_is_that_of_the_gpus_own_clock(print_line: PrintLine) -> None:
    off: list[str] = []
    busy = 0
    for case in CASES:
        step = workloads.build(case)
        (device,) = resolve(step.devices)
        timed = clocks(step, device)
        ratio, issue = timed.wall / timed.events, timed.issue / timed.wall
        bound = "bound by the host" if timed.bound_by_host else "device busy"
        print_line(
            f"events, {case.id}: wall {1e6 * timed.wall:.1f} us, events {1e6 * timed.events:.1f} us, wall / events "
            f"{ratio:.4f}; without synchronizing {1e6 * timed.issue:.1f} us, {issue:.3f} of the wall time; launch "
            f"{1e6 * timed.launch:.1f} us: {bound}"
        )
        if not timed.bound_by_host:
            busy += 1
            off += [case.id] if not 0.99 <= ratio <= 1.01 else []
    print_line(
        f"events: {busy - len(off)} of {busy} cases with a busy device within 1%; off: {', '.join(off) or 'none'}"
    )
    assert busy >= 8
    assert not off


def timer_median(step: Step) -> float:
    """torch's Timer, with its own search for a block size; it leaves the caches as they are."""
    from torch.utils.benchmark import Timer

    return Timer("step()", globals={"step": step}).blocked_autorange(min_run_time=SECONDS).median


def do_bench_median(step: Step, flush: bool) -> float:
    """triton's do_bench: events around single calls, before each of which it overwrites the L2 cache if ``flush``.

    Our caches are hot, and so are the Timer's, so the comparison is made without the flush. The median with the flush,
    which is do_bench's default, is printed as well.
    """
    from triton.runtime import driver
    from triton.testing import do_bench

    def measured() -> float:
        return float(do_bench(step, warmup=50, rep=1000 * SECONDS, return_mode="median")) / 1e3

    if flush:
        return measured()
    with patch.object(driver.active, "clear_cache", lambda _cache: None):
        return measured()


def around(ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """The median ratio of ours to theirs before and after, and how far theirs are apart at most."""
    ratios: list[float] = []
    control: list[float] = []
    before = theirs()
    for _ in range(ROUNDS):
        mine, after = ours(), theirs()
        ratios.append(mine / math.sqrt(before * after))
        control.append(abs(math.log(after / before)))
        before = after
    return statistics.median(ratios), max(control)


def test_our_median_is_that_of_timer_and_do_bench(print_line: PrintLine) -> None:
    within = {"Timer": 0, "do_bench": 0}
    for case in CASES:
        step = workloads.build(case)

        def ours(step: Step = step) -> float:
            return measure(step, step.devices, rel_ci=0.005, max_time=SECONDS).median

        peers = {"Timer": lambda: timer_median(step), "do_bench": lambda: do_bench_median(step, flush=False)}  # noqa: B023
        words = []
        for name, theirs in peers.items():
            ratio, apart = around(ours, theirs)
            within[name] += 0.99 <= ratio <= 1.01
            words.append(f"ours / {name} {ratio:.4f} ({name} / itself up to {100 * apart:.1f}% apart)")
        flushed = do_bench_median(step, flush=True) / ours()
        print_line(f"peers, {case.id}: {'; '.join(words)}; do_bench as it is, flushing L2: {flushed:.3f} of ours")
    print_line(
        f"peers: within 1% of Timer in {within['Timer']}, of do_bench in {within['do_bench']} of {len(CASES)} cases"
    )
    assert min(within.values()) >= 10
