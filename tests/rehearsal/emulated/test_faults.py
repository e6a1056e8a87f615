"""Faults of CUDA paths, planted once each: does the rehearsal catch them?"""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from bench_core import Case
from bench_core.core.errors import ParityError
from bench_core.workloads.kit import BuildContext, Step, graphs, training, workload
from bench_core.workloads.kit.building import build
from tests.rehearsal.rehearse import rehearse, waits_of

pytestmark = pytest.mark.usefixtures("one_cache")

BATCH = 4


def fault(kind="op", **facts):
    return workload(
        family="fault",
        kind=kind,
        unit="row",
        source="planted here",
        batches={"cpu": (BATCH,), "cuda": (BATCH,)},
        reference_batch=BATCH,
        **facts,
    )


def case_of(w, variant="eager"):
    return Case(w.name, "cuda", BATCH, variant=variant)


@fault()
def constant_on_the_host(ctx: BuildContext) -> Step:
    """Adds a constant that was made without naming a device."""
    inputs, constant = ctx.normal(BATCH), torch.ones(BATCH)
    return ctx.step(lambda: inputs + constant, units=BATCH, flops=None, data="")


@fault()
def index_on_the_host(ctx: BuildContext) -> Step:
    """Gathers by an index that was made without naming a device."""
    inputs, index = ctx.normal(BATCH), torch.arange(2)
    return ctx.step(lambda: inputs.gather(0, index), units=BATCH, flops=None, data="")


@fault()
def generator_of_the_host(ctx: BuildContext) -> Step:
    """Draws its noise on the device from a generator of the host."""
    generator = torch.Generator().manual_seed(ctx.case.seed)
    return ctx.step(lambda: torch.rand(BATCH, device=ctx.device, generator=generator), units=BATCH, flops=None, data="")


@pytest.mark.parametrize("w", [constant_on_the_host, index_on_the_host])
def test_a_tensor_on_the_host_is_caught(w):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        rehearse(w, case_of(w))


def test_a_generator_of_the_host_is_caught():
    with pytest.raises(RuntimeError, match="Expected a 'cuda:0' generator but found one of 'cpu'"):
        rehearse(generator_of_the_host, case_of(generator_of_the_host))


@fault()
def reads_its_result(ctx: BuildContext) -> Step:
    """Scales by the largest element, which it reads."""
    inputs = ctx.normal(BATCH)

    def run():
        return inputs / inputs.max().item()

    return ctx.step(run, units=BATCH, flops=None, data="")


@fault()
def indexes_from_the_host(ctx: BuildContext) -> Step:
    """Gathers by an index on the host, which torch moves to the device each time."""
    inputs, index = ctx.normal(BATCH), torch.arange(2)
    return ctx.step(lambda: inputs[index], units=BATCH, flops=None, data="")


@pytest.mark.parametrize(
    ("w", "kind", "line"),
    [
        (reads_its_result, "item", "return inputs / inputs.max().item()"),
        (indexes_from_the_host, "copy from host", "return ctx.step(lambda: inputs[index], "),
    ],
)
def test_a_hidden_wait_is_caught_with_its_line(w, kind, line):
    found = waits_of(rehearse(w, case_of(w)), calls=3)
    numbered = enumerate(Path(__file__).read_text().splitlines(), 1)
    number = next(n for n, text in numbered if text.strip().startswith(line))
    assert found == {f"{kind} at tests/rehearsal/emulated/{Path(__file__).name}:{number}": 3}


def trained(ctx: BuildContext, optimizer: type[SGD | Adam]) -> Step:
    model = ctx.model(lambda: nn.Linear(3, 2), train=True)
    learner = optimizer(model.parameters(), lr=0.1)
    batches = [(ctx.normal(BATCH, 3), ctx.normal(BATCH, 2)) for _ in range(3)]
    run = training(ctx, model, learner, F.mse_loss, batches)
    parts = {"modules": {"model": model}, "optimizers": {"model": learner}}
    return ctx.step(run, units=BATCH, flops=None, data="", **parts)


@fault(kind="train")
def trained_by_adam(ctx: BuildContext) -> Step:
    """Training by Adam, which counts its steps."""
    return trained(ctx, Adam)


class Fading(SGD):
    """Gradient descent by a rate that falls with the number of steps, which it counts in Python."""

    steps = 0

    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = 0.1 / self.steps
        return super().step(closure)


@fault(kind="train")
def trained_by_count_in_python(ctx: BuildContext) -> Step:
    """Training by an optimizer that counts in Python."""
    return trained(ctx, Fading)


def test_adam_that_counts_on_the_device_can_be_captured():
    step = rehearse(trained_by_adam, case_of(trained_by_adam, "cuda_graph"))
    eager = rehearse(trained_by_adam, case_of(trained_by_adam))
    for _ in range(4):
        torch.testing.assert_close(step(), eager())


def test_adam_that_counts_on_the_host_is_caught_when_captured(monkeypatch):
    monkeypatch.setattr(graphs, "count_on_device", lambda optimizer: None)
    with pytest.raises(RuntimeError, match="capturable is False"):
        rehearse(trained_by_adam, case_of(trained_by_adam, "cuda_graph"))


def test_a_count_in_python_is_frozen_by_a_graph_and_caught():
    """Already at the first call: the calls before the capture have counted too."""
    rehearse(trained_by_count_in_python, case_of(trained_by_count_in_python))
    with pytest.raises(ParityError, match="update of model"):
        rehearse(trained_by_count_in_python, case_of(trained_by_count_in_python, "cuda_graph"))


@fault(kind="pipeline", no_parity="it only loads")
def loads_from_the_device(ctx: BuildContext) -> Step:
    """Its loader's worker, forked from this process, reads a tensor on the GPU."""
    rows = TensorDataset(ctx.normal(BATCH, 3))
    loader = DataLoader(rows, BATCH, num_workers=1, multiprocessing_context="fork")
    return ctx.step(lambda: next(iter(loader))[0], units=BATCH, flops=None, data="")


@fault(kind="pipeline", no_parity="it only loads")
def loads_from_the_host(ctx: BuildContext) -> Step:
    """The same with its data on the host: its worker never touches CUDA."""
    rows = TensorDataset(torch.from_numpy(ctx.rng.normal(size=(BATCH, 3))))
    loader = DataLoader(rows, BATCH, num_workers=1, multiprocessing_context="fork")
    return ctx.step(lambda: next(iter(loader))[0].to(ctx.device), units=BATCH, flops=None, data="")


def test_cuda_in_a_forked_process_is_caught():
    torch.ones(1, device="cuda")
    with pytest.raises(RuntimeError, match="initialization error"):
        build(loads_from_the_device, case_of(loads_from_the_device))()


def test_a_forked_process_without_cuda_is_fine():
    assert build(loads_from_the_host, case_of(loads_from_the_host))().device.type == "cuda"
