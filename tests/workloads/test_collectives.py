"""The collectives on two gloo ranks: what arrives, what counts as moved, and a wrong result that is found."""

import pytest

from bench_core import workloads
from tests.support.ranks import in_processes

COLLECTIVES = [name for name in workloads.names() if workloads.get(name).family == "collective"]


def test_the_collectives_are_those_of_nccl_tests():
    assert COLLECTIVES == ["all_reduce", "all_gather", "reduce_scatter", "broadcast"]
    assert all(workloads.get(name).batch_sizes("cpu") == (2**12, 2**16, 2**20, 2**24, 2**28) for name in COLLECTIVES)


# nccl-tests, doc/PERFORMANCE.md: bus bandwidth is this factor times the size over the time.
FACTORS = {
    "all_reduce": lambda n: 2 * (n - 1) / n,
    "all_gather": lambda n: (n - 1) / n,
    "reduce_scatter": lambda n: (n - 1) / n,
    "broadcast": lambda n: 1.0,
}

BUILD = """
from dataclasses import replace
from bench_core import workloads
from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.kit.building import build_anywhere

factors = {factors}
for name, factor in factors.items():
    workload, case = workloads.get(name), Case(name, batch_size=6 * 4096, threads=1, ranks=ranks.size)
    step = build_anywhere(workload, case, ranks=ranks)
    first = step().clone()
    assert torch.equal(step(), first), name
    assert step.units == 6 * 4096
    assert step.bus_bytes == factor * step.units, (name, step.bus_bytes)
    parts = ranks.size if name in ("all_gather", "reduce_scatter") else 1
    uneven = build_anywhere(workload, replace(case, batch_size=4099), ranks=ranks)
    assert uneven.units == 4 * (1024 // parts * parts)
    assert uneven.bus_bytes == factor * uneven.units, (name, uneven.bus_bytes)
    try:
        build_anywhere(workload, replace(case, batch_size=3), ranks=ranks)
    except CaseSkipped as skip:
        assert "a message of 3 bytes has fewer than" in str(skip)
    else:
        raise AssertionError(name)
    if name != "broadcast" or ranks.rank:  # the first rank keeps what it sends
        operation = {operations}[name]
        kept = getattr(dist, operation)
        setattr(dist, operation, lambda *tensors, **options: None)
        try:
            build_anywhere(workload, case, ranks=ranks)
        except ValueError as error:
            assert str(error) == f"{{name}}: what arrived on rank {{ranks.rank}} is not what was sent"
        else:
            raise AssertionError(name)
        setattr(dist, operation, kept)
    ranks.barrier()
"""
OPERATIONS = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather_into_tensor",
    "reduce_scatter": "reduce_scatter_tensor",
    "broadcast": "broadcast",
}


@pytest.mark.parametrize("size", [2, 3])
def test_collectives_give_what_one_process_computes_and_a_wrong_one_is_found(size):
    factors = {name: factor(size) for name, factor in FACTORS.items()}
    in_processes(size, BUILD.format(factors=factors, operations=OPERATIONS))
