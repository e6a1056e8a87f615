"""The pipeline on gloo ranks: it computes what one process computes with the whole model."""

from tests.support.ranks import in_processes

EQUAL = """
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.workloads.kit.building import build_anywhere

workload, case = workloads.get("pipeline_toy"), Case("pipeline_toy", batch_size=20, threads=1, ranks=ranks.size)
together = build_anywhere(workload, case, storage=torch.float64, ranks=ranks)
alone = build_anywhere(workload, case, storage=torch.float64)
assert (together.units, together.flops, together.parameters) == (20, 20 * 700, 165)
for _ in range(3):
    losses = ranks.gather_all({name: float(value) for name, value in together().items()})
    whole = float(alone()["loss"])
    assert losses[:-1] == ({},) * (ranks.size - 1), losses
    assert abs(losses[-1]["loss"] - whole) < 1e-10 * whole, (losses, whole)
    for name in together.optimizers:
        pairs = zip(together.modules[name].parameters(), alone.modules[name].parameters(), strict=True)
        assert all(torch.allclose(a.grad, b.grad, rtol=1e-10, atol=1e-14) and torch.allclose(a, b) for a, b in pairs)
trained = ranks.gather_all(list(together.optimizers))
assert sorted(name for names in trained for name in names) == ["first", "second"]
"""


CHECKED = """
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.execution.parity.gate import check_first_call
from bench_core.execution.parity.judge import check_build
from bench_core.hardware.device import resolve
from bench_core.timing.rank_clock import RankClock
from bench_core.workloads.kit.building import build

workload, case = workloads.get("pipeline_toy"), Case("pipeline_toy", batch_size=20, threads=1, ranks=2)
step = build(workload, case, ranks=ranks)
check_build(workload, case, step)
clock = RankClock(resolve("cpu"), ranks)
parity = check_first_call(workload, case, step, clock).parity
assert sorted(parity.errors) == sorted(
    ["outputs", *(f"{what} of {half}" for what in ("gradients", "update") for half in ("first", "second"))]
)

wrong = build(workload, case, ranks=ranks)
if ranks.rank == 0:
    with torch.no_grad():
        wrong.modules["first"].weight.mul_(1.01)
try:
    check_first_call(workload, case, wrong, clock)
except ParityError:
    pass
else:
    raise AssertionError("passed")
try:
    build(workload, Case("pipeline_toy", batch_size=21, threads=1, ranks=2), ranks=ranks)
except CaseSkipped as skip:
    assert "micro-batches" in str(skip)
else:
    raise AssertionError("built")
ranks.barrier()
"""


def test_a_pipeline_of_one_process_equals_the_unsplit_model():
    in_processes(1, EQUAL)


def test_a_pipeline_of_two_equals_it_too_all_halves_are_checked_by_each_rank_and_a_wrong_one_is_found():
    in_processes(2, EQUAL, CHECKED)
