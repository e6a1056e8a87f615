"""Training steps stay the same work: 5,000 calls (60 s for heavy ones), the last tenth against the first."""

import statistics
import time
from collections.abc import Callable, Iterable

import pytest
import torch

from bench_core import Case, Step, workloads

PrintLine = Callable[[str], None]

CALLS, SECONDS = 5000, 60.0
TRAINING = [w.name for w in map(workloads.get, workloads.names()) if w.kind == "train" and not w.over_ranks]


def denormals(tensors: Iterable[torch.Tensor]) -> int:
    """How many numbers are so small that some CPUs compute with them a hundred times slower."""
    tiny = torch.finfo(torch.float32).tiny
    return sum(int(((t != 0) & (t.abs() < tiny)).sum()) for t in tensors if t.is_floating_point())


def state_of(step: Step) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The weights, and the state of the optimizers."""
    weights = [p.detach() for module in step.modules.values() for p in module.parameters()]
    state = [
        value
        for optimizer in step.optimizers.values()
        for entry in optimizer.state.values()
        for value in entry.values()
        if isinstance(value, torch.Tensor)
    ]
    return weights, state


def losses(output: torch.Tensor | dict[str, torch.Tensor]) -> list[float]:
    """The losses of a step as numbers."""
    values = output.values() if isinstance(output, dict) else [output]
    return [float(value) for value in values]


@pytest.mark.parametrize("name", TRAINING)
def test_no_drift(name: str, print_line: PrintLine) -> None:
    workload = workloads.get(name)
    step = workloads.build(Case(name, batch_size=min(workload.reference_batch, max(workload.batch_sizes("cpu")))))
    for _ in range(20):
        step()
    times: list[float] = []
    seen: list[list[float]] = []
    begin = time.perf_counter()
    while len(times) < CALLS and time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        output = step()
        times.append(time.perf_counter() - start)
        seen.append(losses(output))
    tenth = max(1, len(times) // 10)
    first, last = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    weights, state = state_of(step)
    assert all(bool(torch.isfinite(t).all()) for t in weights + state)
    small = denormals(weights) + denormals(state)
    numbers = sum(t.numel() for t in weights + state)
    means = [[statistics.fmean(column) for column in zip(*part, strict=True)] for part in (seen[:tenth], seen[-tenth:])]
    change = max(abs(b - a) / max(abs(a), 1e-3) for a, b in zip(*means, strict=True))
    print_line(
        f"no drift, {name}: {len(times)} calls, time of last tenth / first {last / first:.3f}, "
        f"losses {100 * change:.0f}% apart, {small} of {numbers} numbers denormal"
    )
    assert last / first < 1.1
    assert small < 1e-4 * numbers
