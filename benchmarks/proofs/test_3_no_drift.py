"""Training steps stay the same work: 5,000 calls (60 s for heavy ones), the last tenth against the first."""

import statistics
import time

import pytest
import torch

from bench_core import Case, workloads

CALLS, SECONDS = 5000, 60.0
TRAINING = [name for name in workloads.names() if workloads.get(name).kind == "train"]


def denormals(tensors):
    """How many numbers are so small that some CPUs compute with them a hundred times slower."""
    tiny = torch.finfo(torch.float32).tiny
    return sum(int(((t != 0) & (t.abs() < tiny)).sum()) for t in tensors if t.is_floating_point())


def state_of(step):
    """Weights, and what the optimizers remember."""
    weights = [p.detach() for module in step.modules.values() for p in module.parameters()]
    memory = [
        value
        for optimizer in step.optimizers.values()
        for entry in optimizer.state.values()
        for value in entry.values()
        if isinstance(value, torch.Tensor)
    ]
    return weights, memory


def losses(output):
    """The losses of a step as numbers."""
    values = output.values() if isinstance(output, dict) else [output]
    return [float(value) for value in values]


@pytest.mark.parametrize("name", TRAINING)
def test_no_drift(name, tell):
    workload = workloads.get(name)
    step = workloads.build(Case(name, batch_size=min(workload.reference_batch, max(workload.batch_sizes("cpu")))))
    for _ in range(20):
        step()
    times, seen, begun = [], [], time.perf_counter()
    while len(times) < CALLS and time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        output = step()
        times.append(time.perf_counter() - start)
        seen.append(losses(output))
    tenth = max(1, len(times) // 10)
    first, last = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    weights, memory = state_of(step)
    assert all(bool(torch.isfinite(t).all()) for t in weights + memory)
    small = denormals(weights) + denormals(memory)
    numbers = sum(t.numel() for t in weights + memory)
    means = [[statistics.fmean(column) for column in zip(*part, strict=True)] for part in (seen[:tenth], seen[-tenth:])]
    change = max(abs(b - a) / max(abs(a), 1e-3) for a, b in zip(*means, strict=True))
    tell(
        f"no drift, {name}: {len(times)} calls, time of last tenth / first {last / first:.3f}, "
        f"losses {100 * change:.0f}% apart, {small} of {numbers} numbers denormal"
    )
    assert last / first < 1.1
    assert small < 1e-4 * numbers
