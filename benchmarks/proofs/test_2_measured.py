"""Bias, time to a target and overhead on this machine, in turn with other tools in one run."""

import math
import statistics
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass

import peers
import pytest
import torch
from torch.utils.benchmark import Timer

from bench_core import Case, measure, workloads
from bench_core.timing.stopping import IntervalTarget
from bench_core.timing.warmup import CLOCK_SHARE

PrintLine = Callable[[str], None]

STEPS: dict[str, Callable[[], peers.Work]] = {
    "add 8 numbers": lambda: _addition(8),
    "add 4096 numbers": lambda: _addition(4096),
    "gemm 64": lambda: workloads.build(Case("gemm", batch_size=64)),
    "gemm 128": lambda: workloads.build(Case("gemm", batch_size=128)),
    "gemm 256": lambda: workloads.build(Case("gemm", batch_size=256)),
    "gemm 512": lambda: workloads.build(Case("gemm", batch_size=512)),
    "mlp_infer b1": lambda: workloads.build(Case("mlp_infer", batch_size=1)),
    "mlp_train b64": lambda: workloads.build(Case("mlp_train", batch_size=64)),
    "lstm_ar_train b32": lambda: workloads.build(Case("lstm_ar_train", batch_size=32)),
    "resblock_identity b4": lambda: workloads.build(Case("resblock_identity", batch_size=4)),
    "gemm 1024": lambda: workloads.build(Case("gemm", batch_size=1024)),
    "gemm 2048": lambda: workloads.build(Case("gemm", batch_size=2048)),
}
REAL = [name for name in STEPS if not name.startswith(("add", "gemm 2048"))] + ["conv2d_grid b1"]
STEPS["conv2d_grid b1"] = lambda: workloads.build(Case("conv2d_grid", batch_size=1))


@dataclass(frozen=True)
class Bare:
    """A step without a workload, for the shortest times."""

    fn: Callable[[], object]
    devices: tuple[str, ...] = ("cpu",)

    def __call__(self) -> object:
        return self.fn()


def _addition(size: int) -> Bare:
    left, right = torch.ones(size), torch.ones(size)
    return Bare(lambda: torch.add(left, right))


def _ratio(step: peers.Work, seconds: float, rounds: int) -> tuple[float, float, float]:
    """Median ratio of our median to the mean of the Timer's before and after, that of Timer to Timer, and the largest
    difference of the latter."""
    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())

    def theirs() -> float:
        return timer.blocked_autorange(min_run_time=seconds).median

    ours, control = [], []
    before = theirs()
    for _ in range(rounds):
        mine = measure(step, step.devices, rel_ci=0.005, max_time=seconds).median
        after = theirs()
        ours.append(mine / math.sqrt(before * after))
        control.append(after / before)
        before = after
    return statistics.median(ours), statistics.median(control), max(abs(math.log(c)) for c in control)


def test_bias_against_torchs_timer(print_line: PrintLine) -> None:
    within = []
    for name in list(STEPS)[:12]:
        step = STEPS[name]()
        ratio, control, spread = _ratio(step, seconds=0.5, rounds=15)
        within.append(0.99 <= ratio <= 1.01)
        print_line(
            f"bias, {name}: ours / Timer {ratio:.4f}; Timer / Timer {control:.4f}, up to {100 * spread:.1f}% apart"
        )
    print_line(f"bias: {sum(within)} of {len(within)} within 1%")
    assert sum(within) >= 11


def test_time_to_a_target_of_1_percent(print_line: PrintLine) -> None:
    """Ours includes warm-up, latency calls and cross-check; theirs includes their calibration."""
    tools = {"ours": peers.ours, "precision": peers.precision_mode, "adaptive": peers.adaptive_autorange}
    seconds = {name: dict.fromkeys(REAL, 0.0) for name in tools}
    for name in REAL:
        step = STEPS[name]()
        step()
        for _ in range(3):
            for tool, run in tools.items():
                seconds[tool][name] += peers.until_reached(run, step, 0.01, max_time=10.0).seconds / 3
        row = ", ".join(f"{tool} {seconds[tool][name]:.2f} s" for tool in tools)
        print_line(f"time to 1%, {name}: {row}")
    total = {tool: sum(values.values()) for tool, values in seconds.items()}
    print_line(
        f"time to 1%, {len(REAL)} cases: ours {total['ours']:.1f} s, {total['ours'] / total['precision']:.2f} of "
        f"precision mode's, {total['ours'] / total['adaptive']:.2f} of adaptive_autorange's"
    )
    slower = [n for n in REAL if seconds["ours"][n] > max(seconds["precision"][n], seconds["adaptive"][n])]
    print_line(f"time to 1%: slower than both peers in {slower or 'no case'}")
    assert total["ours"] <= 0.6 * total["precision"]
    assert not slower


def test_overhead_of_an_empty_function(print_line: PrintLine) -> None:
    def empty() -> None:
        pass

    ratios = []
    for _ in range(15):
        mine = measure(empty, max_time=0.2).median
        number = 200_000
        theirs = min(timeit.repeat(empty, number=number, repeat=3)) / number
        ratios.append(mine / theirs)
    print_line(f"overhead, empty function: ours / timeit {statistics.median(ratios):.2f}")
    assert statistics.median(ratios) <= 1.2


@pytest.mark.parametrize("name", ["add 8 numbers", "gemm 256", "gemm 1024"])
def test_the_clock_costs_under_a_thousandth(name: str, print_line: PrintLine) -> None:
    m = measure(STEPS[name](), max_time=0.3)
    share = m.clock_overhead / (m.inner_calls * min(m.samples))
    print_line(f"clock and wait, {name}: {100 * share:.3f}% of the shortest sample")
    assert share <= CLOCK_SHARE


class PilotMoment(IntervalTarget):
    """The usual rule, which notes when sampling starts."""

    started: float | None = None

    def pilot(self, affordable: int) -> int:
        self.started = time.perf_counter()
        return super().pilot(affordable)


def test_sampling_starts_soon_and_ends_before_the_time_is_up(print_line: PrintLine) -> None:
    """Of the time allowed for samples, calibration and warm-up take a small part, and all together less than it."""
    allowed = 10.0
    rule = PilotMoment(rel_ci=0.02, confidence=0.95)
    begin = time.perf_counter()
    measure(lambda: None, max_time=allowed, stopping=rule)
    total = time.perf_counter() - begin
    assert rule.started is not None
    before = rule.started - begin
    print_line(
        f"measuring an empty function to 2%, {allowed:.0f} s allowed: {before:.2f} s until the first sample, "
        f"{total:.2f} s in total"
    )
    assert before <= 0.1 * allowed
    assert total < allowed
