"""Work over ranks that are there already: one stored run of all of them."""

import pytest

from bench_core.core.records import Outcome
from bench_core.core.results import Flag
from bench_core.execution.together import joined_flags
from bench_core.storage.files import load
from tests.support.processes import python
from tests.support.ranks import in_processes
from tests.test_cli import ENVIRON, ROOT, assert_refused, run

MEASURE = """
import os, socket
from pathlib import Path
from bench_core.execution.nodes import measure_all
from bench_core.execution.options import parse

socket.gethostname = lambda: f"node{ranks.rank}"
os.environ["GROUP_WORLD_SIZE"] = "2"
ranks = LaunchedRanks(dist.new_group(backend="gloo"))
given = {"device": "cpu", "workload": "broadcast,ddp_mlp_train,gemm", "ranks": "2", "threads": "1", "max_time": "0.02"}
asked = {**given, "batch_size": "64,65", "variant": "eager,fsdp"}
lines = []
folder = Path(%r)
finished = measure_all(parse(asked, folder), ranks, folder, folder, lines.append)
assert len(lines) == 6, lines
assert (finished.stored is None) == bool(ranks.rank)
assert finished.failed == 0
"""


def test_all_ranks_measure_and_the_first_stores_one_record_of_each_case_with_all_hosts(tmp_path):
    in_processes(2, MEASURE % str(tmp_path))
    (path,) = tmp_path.glob("*.json")
    stored = load(path)
    assert not stored.info.partial
    measured = {record.case.id: record for record in stored.records}
    assert sorted(measured) == [
        "broadcast-cpu-b64-fp32-eager-t1-r2-n2",
        "broadcast-cpu-b65-fp32-eager-t1-r2-n2",
        "ddp_mlp_train-cpu-b64-fp32-eager-t1-r2-n2",
        "ddp_mlp_train-cpu-b64-fp32-fsdp-t1-r2-n2",
    ]
    assert {record.ranks and record.ranks.hosts for record in stored.records} == {("node0", "node1")}
    ddp = measured["ddp_mlp_train-cpu-b64-fp32-eager-t1-r2-n2"]
    assert ddp.parity
    assert ddp.parity.batch_size == 64
    assert ddp.ranks
    assert ddp.ranks.communication is not None
    sharded = measured["ddp_mlp_train-cpu-b64-fp32-fsdp-t1-r2-n2"]
    assert sharded.parity
    assert sharded.ranks
    assert sharded.ranks.communication is None
    assert "fsdp" in sharded.unavailable["counts"]
    assert any("65 rows cannot be divided" in entry.reason for entry in stored.info.not_run)


DIFFER = """
from dataclasses import replace
from pathlib import Path
from bench_core.core.errors import OptionError
from bench_core.execution import nodes
from bench_core.execution.options import parse

own = nodes.fingerprint()

def refused(**given):
    try:
        nodes.measure_all(parse({"ranks": "2", "device": "cpu", **given}, Path()), ranks, Path(), Path(), print)
    except OptionError as error:
        return str(error)
    raise AssertionError(given)

nodes.fingerprint = lambda: replace(own, torch="1.0") if ranks.rank else own
error = refused()
assert error.startswith("the nodes differ, from rank 0 to rank 1: torch "), error
nodes.fingerprint = lambda: own
error = refused(threads=str(1 + ranks.rank))
assert ": --device cpu --threads 1 -> --device cpu --threads 2; take nodes" in error, error
ranks.barrier()
"""


def test_nodes_and_options_that_differ_are_refused():
    in_processes(2, DIFFER)


ALL_FAIL = """
from pathlib import Path
from bench_core.core.errors import ParityError
from bench_core.execution import nodes
from bench_core.execution.options import parse

ERRORS = {"all_gather": ParityError("not what float64 gives"), "broadcast": ZeroDivisionError("by\\nzero")}
measure = nodes.measure_together

def measure_or_fail(workload, *others):
    if workload.name in ERRORS:
        raise ERRORS[workload.name]
    return measure(workload, *others)

nodes.measure_together = measure_or_fail
given = {"device": "cpu", "workload": "all_gather,broadcast,all_reduce", "ranks": "2", "threads": "1"}
folder = Path(%r)
asked = parse({**given, "batch_size": "64", "max_time": "0.02"}, folder)
assert nodes.measure_all(asked, ranks, folder, folder, str).failed == 2
"""


def test_a_case_that_all_ranks_fail_is_noted_and_the_others_are_measured(tmp_path):
    in_processes(2, ALL_FAIL % str(tmp_path))
    (path,) = tmp_path.glob("*.json")
    stored = load(path)
    assert not stored.info.partial
    assert [record.case.id for record in stored.records] == ["all_reduce-cpu-b64-fp32-eager-t1-r2"]
    failed = {entry.what: entry.reason for entry in stored.info.not_run if entry.outcome is Outcome.FAILED}
    assert failed == {
        "all_gather-cpu-b64-fp32-eager-t1-r2": "not what float64 gives",
        "broadcast-cpu-b64-fp32-eager-t1-r2": "ZeroDivisionError: by",
    }


SOME_FAIL = """
from bench_core.core.errors import CaseProcessError, CaseSkipped, ParityError
from bench_core.execution.nodes import fail_together

fail_together(ranks, CaseSkipped("25 rows"))

def refusal(error):
    try:
        fail_together(ranks, error)
    except CaseProcessError as refused:
        assert refused.__cause__ is error
        return str(refused)
    raise AssertionError(error)

if ranks.rank:
    ranks.gather_all("still in the case")
else:
    lines = refusal(CaseSkipped("out of memory"))
    assert lines == "CaseSkipped on rank 0 and no error on rank 1: out of memory", lines
lines = refusal(ParityError("wrong") if ranks.rank else CaseSkipped("out of memory"))
assert "ParityError on rank 1" in lines and "CaseSkipped on rank 0" in lines, lines
ranks.barrier()
"""


def test_an_error_that_only_some_ranks_have_ends_the_run():
    in_processes(2, SOME_FAIL)


TORCHRUN = {"WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "2"}


def test_without_torchrun_the_command_says_how_it_is_started():
    assert_refused(run("ranks"), "torchrun --nnodes 2")


def test_a_device_on_which_ranks_cannot_communicate_is_refused():
    command = ("-m", "bench_core", "ranks", "--device", "cpu,cuda")
    result = python(*command, cwd=ROOT, environ={**ENVIRON, **TORCHRUN})
    assert_refused(result, "--device cpu,cuda", "one of: cpu, cuda, xpu")


@pytest.mark.parametrize(("option", "value"), [("--workload", "nope"), ("--batch-size", "0"), ("--max-time", "soon")])
def test_a_bad_option_is_named_as_it_was_written(option, value):
    result = python("-m", "bench_core", "ranks", option, value, cwd=ROOT, environ={**ENVIRON, **TORCHRUN})
    assert_refused(result, f"bench-core: {option}: ", repr(value))
    assert "--bench-" not in result.stderr


def test_warnings_of_all_ranks_are_kept_each_kind_once():
    a, b, other = Flag("a", "first"), Flag("b", "second"), Flag("a", "first, on the other")
    assert joined_flags([(a,), (other, b)]) == (a, Flag("b", "rank 1: second"))
