"""Cases over ranks, in real processes that torch's launcher starts."""

import pytest

from bench_core import workloads
from bench_core.core.case import Case, Effort
from bench_core.core.errors import CaseError, CaseProcessError
from bench_core.execution.isolation import run_isolated
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession
from bench_core.hardware.machine import usable_cpus
from bench_core.workloads.kit.building import why_unsupported
from tests.execution.test_isolation import Lifeline, lifeline  # noqa: F401 - a fixture
from tests.execution.test_session import fixture
from tests.support.planted_ranks import one_is_killed

TWO = pytest.mark.skipif(usable_cpus() < 2, reason="two ranks need two cores")


def selected(tmp_path, **given):
    session = BenchSession(parse({"device": "cpu", "workload": "all_reduce", **given}, tmp_path))
    return session, session.selection.cases_of()


def test_without_numbers_of_ranks_work_over_ranks_is_listed_with_the_option(tmp_path):
    session, cases = selected(tmp_path)
    (entry,) = session.not_run
    assert (cases, entry.what, entry.reason) == ([], "all_reduce (10 cases)", "measured with --bench-ranks 1,2")


@TWO
def test_all_numbers_of_ranks_have_the_same_threads_and_cases_of_their_own_name(tmp_path):
    session, cases = selected(tmp_path, ranks="1,2", batch_size="4096")
    share = usable_cpus() // 2
    assert [(case.ranks, case.threads) for case in cases] == [(1, share), (2, share)]
    assert [case.id for case in cases] == [f"all_reduce-cpu-b4096-fp32-eager-t{share}-r{ranks}" for ranks in (1, 2)]
    assert all(session.isolates(case) for case in cases)


def test_more_ranks_than_cores_are_left_out_with_the_reason(tmp_path):
    session, cases = selected(tmp_path, ranks="10000", threads="1", batch_size="4096")
    (entry,) = session.not_run
    assert cases == []
    assert entry.reason == f"10000 ranks would need 10000 cores; usable here: {usable_cpus()}"


def test_cases_and_workloads_that_do_not_fit_say_so():
    divided, whole = workloads.get("all_reduce"), workloads.get("gemm")
    assert "ranks=2" in (why_unsupported(divided, Case("all_reduce", batch_size=4096)) or "")
    assert "not divided over ranks" in (why_unsupported(whole, Case("gemm", batch_size=8, ranks=1)) or "")
    assert "above 0" in (why_unsupported(divided, Case("all_reduce", batch_size=4096, threads=1, ranks=0)) or "")
    for case in (Case("all_reduce", threads=1, ranks=1, nodes=2), Case("gemm", nodes=0)):
        assert f"nodes is {case.nodes}" in (why_unsupported(workloads.get(case.workload), case) or "")
    with pytest.raises(CaseError, match="takes 1 process that `pytest benchmarks --bench-ranks` starts"):
        workloads.build(Case("all_reduce", batch_size=4096, threads=1, ranks=1))


@TWO
def test_a_case_on_several_nodes_is_not_built_on_one():
    with pytest.raises(CaseError, match="takes 2 processes on 2 nodes that torchrun starts"):
        workloads.build(Case("all_reduce", batch_size=4096, threads=1, ranks=2, nodes=2))


def test_where_benchmarks_are_disabled_a_case_over_ranks_is_a_skip(tmp_path):
    session, (case,) = selected(tmp_path, ranks="1", batch_size="4096")
    with pytest.raises(Exception, match="not run where benchmarks are disabled"):
        fixture(session, case.id, disabled=True).case(case)


@TWO
@pytest.mark.long
def test_two_ranks_give_one_record_with_the_figures_of_each():
    case = Case("all_reduce", batch_size=4096, threads=1, ranks=2)
    m, record = run_isolated(workloads.get("all_reduce"), case, Effort(max_time=0.02, energy=True))
    assert record.case == case
    assert record.threads == 1
    assert record.timing.median == m.median
    ranks = record.ranks
    assert ranks
    assert (ranks.backend, len(ranks.hosts), len(set(ranks.hosts)), ranks.bus_bytes) == ("gloo", 2, 1, 4096)
    assert 0.0 < min(ranks.medians) <= max(ranks.medians) <= m.median * (1 + 1e-9)
    assert "slowest rank" in ranks.synchronized
    assert "same number of calls" in record.unavailable["energy"]


@TWO
@pytest.mark.long
def test_a_rank_that_is_killed_ends_its_case_with_the_reason_and_no_process_is_left(lifeline):  # noqa: F811
    with pytest.raises(CaseProcessError) as caught:
        run_isolated(one_is_killed, Case("one_is_killed", threads=1, ranks=2), Effort(max_time=0.02))
    assert str(caught.value).splitlines()[0] == (
        "rank 1 of 2: killed (SIGKILL); the system does this when memory runs out"
    )
    assert lifeline.read() == b"leaving\n"
    assert lifeline.read() == b""
