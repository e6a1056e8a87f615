"""Work over ranks that are there already: one stored run of all of them."""

import pytest

from bench_core.core.errors import CaseProcessError
from bench_core.core.results import Flag
from bench_core.execution.nodes import skip_together
from bench_core.execution.together import joined_flags
from bench_core.storage.files import load
from tests.support.processes import python
from tests.support.ranks import in_processes, in_threads
from tests.test_cli import ENVIRON, ROOT, assert_refused, run

MEASURE = """
import socket
from pathlib import Path
from bench_core.execution.nodes import measure_all
from bench_core.execution.options import parse

socket.gethostname = lambda: f"node{ranks.rank}"
given = {"device": "cpu", "workload": "broadcast,ddp_mlp_train,gemm", "ranks": "2", "threads": "1", "max_time": "0.02"}
asked = {**given, "batch_size": "64,65", "variant": "eager,fsdp"}
lines = []
folder = Path(%r)
stored = measure_all(parse(asked, folder), ranks, folder, folder, lines.append)
assert len(lines) == 6, lines
assert (stored is None) == bool(ranks.rank)
"""


def test_all_ranks_measure_and_the_first_stores_one_record_of_each_case_with_all_hosts(tmp_path):
    in_processes(2, MEASURE % str(tmp_path))
    (path,) = tmp_path.glob("*.json")
    stored = load(path)
    assert not stored.info.partial
    measured = {record.case.id: record for record in stored.records}
    assert sorted(measured) == [
        "broadcast-cpu-b64-fp32-eager-t1-r2",
        "broadcast-cpu-b65-fp32-eager-t1-r2",
        "ddp_mlp_train-cpu-b64-fp32-eager-t1-r2",
        "ddp_mlp_train-cpu-b64-fp32-fsdp-t1-r2",
    ]
    assert {record.ranks and record.ranks.hosts for record in stored.records} == {("node0", "node1")}
    ddp = measured["ddp_mlp_train-cpu-b64-fp32-eager-t1-r2"]
    assert ddp.parity
    assert ddp.parity.batch_size == 64
    assert ddp.ranks
    assert ddp.ranks.communication is not None
    sharded = measured["ddp_mlp_train-cpu-b64-fp32-fsdp-t1-r2"]
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
assert "--bench-threads 1 -> " in error, error
ranks.barrier()
"""


def test_nodes_and_options_that_differ_are_refused():
    in_processes(2, DIFFER)


def test_a_case_is_skipped_by_all_ranks_or_ends_the_run():
    assert in_threads(2, lambda ranks: skip_together(ranks, "25 rows")) == [None, None]

    def work(ranks):
        if ranks.rank:
            ranks.gather_all("still in the case")
            return
        with pytest.raises(CaseProcessError, match="skipped on rank 0 and not on rank 1: out of memory"):
            skip_together(ranks, "out of memory")

    in_threads(2, work)


def test_without_torchrun_the_command_says_how_it_is_started():
    assert_refused(run("ranks"), "torchrun --nnodes 2")


def test_a_device_on_which_ranks_cannot_communicate_is_refused():
    command = ("-m", "bench_core", "ranks", "--device", "cpu,cuda")
    result = python(*command, cwd=ROOT, environ={**ENVIRON, "WORLD_SIZE": "2"})
    assert_refused(result, "--device cpu,cuda", "one of: cpu, cuda, xpu")


def test_warnings_of_all_ranks_are_kept_each_kind_once():
    a, b, other = Flag("a", "first"), Flag("b", "second"), Flag("a", "first, on the other")
    assert joined_flags([(a,), (other, b)]) == (a, Flag("b", "rank 1: second"))
