"""A model split over two devices, as is done with models that do not fit on one."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, training, training_flops, workload


@workload(
    family="pipeline",
    kind="pipeline",
    unit="row",
    source="PyTorch tutorials, Single-Machine Model Parallel Best Practices, Basic Usage: ToyModel, MSE, SGD .001, "
    "batch 20; over two GPUs, or the GPU and the CPU where there is one GPU",
    batches={"cpu": (), "cuda": (20, 2560)},
    reference_batch=20,
    dtypes=("fp32",),
    variants=("eager",),
    known_costs=KnownCosts(
        "165 parameters; equals the unsplit model in outputs, gradients and updates; 150 multiply-adds per row "
        "forward, 150 for the weights and 50 back through the second layer",
        parameters=165,
        flops=2 * (150 + 150 + 50),
    ),
    regime="Launches, and moving the activations from device to device. No speedup is expected: one device waits while "
    "the other works, so at best the split model takes as long as the whole model on one device",
)
def model_parallel_toy(ctx: BuildContext) -> Step:
    """Training of a perceptron split over two devices; no speedup is expected, since one waits for the other."""
    first, second = devices(ctx.device, torch.cuda.device_count())
    model = ctx.model(Split, train=True)
    assert isinstance(model, Split)
    model.place(first, second)
    optimizer = SGD(model.parameters(), lr=0.001)
    count = ctx.resident_batches(4 * 15 * ctx.batch_size)
    rows = [(ctx.normal(ctx.batch_size, 10).to(first), ctx.normal(ctx.batch_size, 5).to(second)) for _ in range(count)]
    step = ctx.step(
        training(ctx, model, optimizer, F.mse_loss, rows),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, 10)),
        data="normal random numbers",
        modules={"model": model},
        optimizers={"model": optimizer},
    )
    return replace(step, devices=(first, second))


class Split(nn.Module):
    """10-10 on one device, ReLU, 10-5 on the next: 165 parameters. Maps (batch, 10) to (batch, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(10, 10), nn.Linear(10, 5)

    def place(self, first: str, second: str) -> None:
        """Put each half on its device."""
        self.first.to(first)
        self.second.to(second)

    def forward(self, x: Tensor) -> Tensor:
        """The output; the activations move from one device to the other between the halves."""
        hidden = torch.relu(self.first(x)).to(self.second.weight.device)
        output: Tensor = self.second(hidden)
        return output


def devices(chosen: torch.device, gpus: int) -> tuple[str, str]:
    """The chosen device and a second one: the next GPU, or the CPU if there is only one GPU or none."""
    if chosen.type == "cpu":
        return "cpu", "cpu"
    index = chosen.index or 0
    return f"cuda:{index}", f"cuda:{(index + 1) % gpus}" if gpus > 1 else "cpu"
