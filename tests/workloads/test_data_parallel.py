"""Data-parallel training on gloo ranks: what it computes, and the share of it that is communication."""

from tests.support.ranks import in_processes

EQUAL = """
from dataclasses import replace
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.workloads.kit.building import build_anywhere

workload, case = workloads.get("ddp_mlp_train"), Case("ddp_mlp_train", batch_size=24, threads=1, ranks=ranks.size)
together = build_anywhere(workload, case, storage=torch.float64, ranks=ranks)
alone = build_anywhere(workload, replace(case, ranks=None), storage=torch.float64)
assert (together.units, together.flops, together.parameters) == (alone.units, alone.flops, alone.parameters)

def difference():
    pairs = zip(together.modules["model"].parameters(), alone.modules["model"].parameters(), strict=True)
    return max(float((a.grad - b.grad).norm() / b.grad.norm()) for a, b in pairs)

for _ in range(3):
    losses = ranks.gather(float(together()))
    whole = float(alone())
    assert abs(sum(losses) / ranks.size - whole) < 1e-10 * whole, (losses, whole)
    assert difference() < 1e-10, difference()
assert len(set(losses)) == ranks.size  # each has other rows

together.local()
alone()
assert difference() > 1e-3  # without communication, the gradients are those of the share
"""


def test_ranks_compute_what_one_process_computes_on_the_whole_batch():
    """By DDP, with parts of the weights, in a game, and with batch normalization; rows that do not fit are a skip."""
    in_processes(2, EQUAL, SHARDED, UNEQUAL, PLAYED, NORMALIZED)


SHARDED = (
    EQUAL.partition("together.local()")[0]
    + """
assert all(p.to_local().numel() < p.numel() for p in together.modules["model"].parameters())
assert together.local is None
"""
)
SHARDED = (
    SHARDED.replace("batch_size=24", "batch_size=24, variant='fsdp'")
    .replace("replace(case, ranks=None)", "replace(case, ranks=None, variant='eager')")
    .replace("a.grad - b.grad", "a.grad.full_tensor() - b.grad")
)


FSDP_CHECKED = """
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import ParityError
from bench_core.execution.parity.gate import check_first_call
from bench_core.execution.parity.judge import check_build
from bench_core.hardware.device import resolve
from bench_core.timing.rank_clock import RankClock
from bench_core.workloads.kit.building import build

workload = workloads.get("ddp_mlp_train")
case = Case("ddp_mlp_train", batch_size=64, threads=1, ranks=2, variant="fsdp")
step = build(workload, case, ranks=ranks)
check_build(workload, case, step)
clock = RankClock(resolve("cpu"), ranks)
parity = check_first_call(workload, case, step, clock).parity
assert sorted(parity.errors) == ["gradients of model", "outputs", "update of model"]

wrong = build(workload, case, ranks=ranks)
wrong.optimizers["model"].param_groups[0]["lr"] *= 1.01
try:
    check_first_call(workload, case, wrong, clock)
except ParityError:
    pass
else:
    raise AssertionError("passed")
ranks.barrier()
"""


def test_what_ranks_keep_in_parts_is_checked_against_float64():
    in_processes(2, FSDP_CHECKED)


UNEQUAL = """
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.kit.building import build_anywhere
try:
    build_anywhere(workloads.get("ddp_mlp_train"), Case("ddp_mlp_train", batch_size=25, ranks=2), ranks=ranks)
except CaseSkipped as skip:
    assert str(skip) == "25 rows cannot be divided equally among 2 ranks"
else:
    raise AssertionError("built")
ranks.barrier()
"""


NORMALIZED = """
from functools import partial
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from bench_core.core.case import Case
from bench_core.workloads.kit import training, workload
from bench_core.workloads.kit.building import build_anywhere

@workload(
    family="a", kind="train", unit="row", source="a test", batches={"cpu": (8,)}, reference_batch=8, over_ranks=True
)
def normalized(ctx):
    'Training with batch normalization.'
    model = ctx.model(lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 1)), train=True)
    optimizer = SGD(model.parameters(), lr=0.1)
    rows = [(ctx.normal(ctx.batch_size, 6), ctx.normal(ctx.batch_size, 1))]
    run = training(ctx, model, optimizer, F.mse_loss, rows)
    return ctx.step(run, units=8, flops=None, data="normal", modules={"model": model}, optimizers={"model": optimizer})

case = Case("normalized", batch_size=8, threads=1, ranks=2)
together = build_anywhere(normalized, case, storage=torch.float64, ranks=ranks)
alone = build_anywhere(normalized, case, storage=torch.float64)
losses = ranks.gather(float(together()))
assert abs(sum(losses) / 2 - float(alone())) < 1e-10
for a, b in zip(together.modules["model"].parameters(), alone.modules["model"].parameters(), strict=True):
    assert torch.allclose(a.grad, b.grad, rtol=1e-10, atol=1e-14)
ranks.barrier()
"""


PLAYED = """
from functools import partial
from torch import nn
from torch.optim import SGD
from bench_core.core.case import Case
from bench_core.workloads.adversarial.game import adversarial_step, alternate
from bench_core.workloads.kit import workload
from bench_core.workloads.kit.building import build_anywhere

def network(*sizes):
    return nn.Sequential(nn.Linear(sizes[0], 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, sizes[1]))

@workload(
    family="a", kind="train", unit="row", source="a test", batches={"cpu": (8,)}, reference_batch=8, over_ranks=True
)
def played(ctx):
    'A game with batch normalization.'
    batches = [(ctx.normal(8, 5), ctx.normal(8, 3), ctx.normal(8, 3))]
    networks = partial(network, 3, 5), partial(network, 5, 1)
    return adversarial_step(ctx, alternate, *networks, partial(SGD, lr=0.1), batches, "normal")

case = Case("played", batch_size=8, threads=1, ranks=2)
together = build_anywhere(played, case, storage=torch.float64, ranks=ranks)
alone = build_anywhere(played, case, storage=torch.float64)
for _ in range(3):
    losses = {name: ranks.gather(float(value)) for name, value in together().items()}
    for name, whole in alone().items():
        assert abs(sum(losses[name]) / 2 - float(whole)) < 1e-10, name
    for name in ("generator", "discriminator"):
        for a, b in zip(together.modules[name].parameters(), alone.modules[name].parameters(), strict=True):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-14), name
together.local()
ranks.barrier()
"""
