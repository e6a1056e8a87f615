"""Work over ranks: a collective takes as long as in a plain loop, and a rank that fails ends its case in time."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from test_7_bare_loop import paired

from bench_core.core.case import Case, Effort
from bench_core.core.errors import CaseProcessError
from bench_core.execution.isolation import run_isolated
from bench_core.storage.files import load
from tests.support import planted_ranks
from tests.support.planted import LIFELINE

ROOT = Path(__file__).parents[2]
MOST, SOON, PATIENCE = 0.03, 30.0, 10.0
"""How far off the median ratio may be; the seconds within which a rank that died, or did not answer for ``PATIENCE``
seconds, must end its case."""


def test_all_reduce_takes_as_long_as_in_a_plain_loop(tmp_path: Path, print_line: Callable[[str], None]) -> None:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    script, result = Path(__file__).with_name("bare_ranks.py"), tmp_path / "result.json"
    subprocess.run(
        [*launcher, str(script), str(result)], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    ratios = {}
    for size, times in json.loads(result.read_text()).items():
        ratios[size], interval = paired(times["own"], times["loop"])
        control, spread = paired(times["again"], times["loop"])
        print_line(
            f"all_reduce / plain loop, {size} bytes: {ratios[size]:.4f} (interval {interval[0]:.3f} to "
            f"{interval[1]:.3f}); loop / loop {control:.4f} ({spread[0]:.3f} to {spread[1]:.3f}); "
            f"{1e6 * statistics.median(times['own']):.0f} µs a call, {len(times['own'])} blocks"
        )
    assert len(ratios) == 5
    assert all(abs(ratio - 1.0) <= MOST for ratio in ratios.values()), ratios


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("one_is_killed", "rank 1 of 2: killed (SIGKILL)"),
        ("one_raises", "ZeroDivisionError: division by zero"),
        ("one_stops", "rank 1 of 2 did not answer in time"),
    ],
)
def test_a_rank_that_dies_fails_or_hangs_ends_its_case_in_time(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, print_line: Callable[[str], None]
) -> None:
    lifeline = tmp_path / "lifeline"
    lifeline.touch()  # each rank writes there when it comes to its end
    monkeypatch.setenv(LIFELINE, str(lifeline))
    with pytest.raises(CaseProcessError) as caught:
        run_isolated(vars(planted_ranks)[name], Case(name, threads=1, ranks=2), Effort(max_time=0.1), patience=PATIENCE)
    took = time.time() - lifeline.stat().st_mtime
    print_line(f"{name}: the case failed {took:.1f} s later with: {str(caught.value).splitlines()[0]}")
    assert str(caught.value).startswith(reason)
    assert took < SOON
    assert not [process.pid for process in psutil.process_iter() if _is_rank(process)]


def test_two_nodes_under_torchrun_make_one_record(tmp_path: Path, print_line: Callable[[str], None]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = f"{sys.executable} -m torch.distributed.run --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d"
    place = f"--rdzv-endpoint 127.0.0.1:{port} --rdzv-id proof --local-addr 127.0.0.1"
    asked = f"--workload all_reduce,ddp_mlp_train --threads 1 --max-time 0.1 --out {tmp_path}"
    command = f"exec {launcher} {place} -m bench_core ranks {asked}"
    own_names = subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode == 0
    nodes = [
        subprocess.Popen(
            ["unshare", "--uts", "sh", "-c", f"hostname node{n} && {command}"] if own_names else ["sh", "-c", command],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
        )
        for n in range(2)
    ]  # fmt: skip
    outputs = [node.communicate(timeout=600)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0]
    (path,) = tmp_path.rglob("*.json")
    records = load(path).records
    assert len(records) == 5 + 4
    assert {(record.case.ranks, record.case.nodes) for record in records} == {(2, 2)}
    hosts = {record.ranks.hosts for record in records if record.ranks}
    assert len(hosts) == 1
    assert not own_names or sorted(*hosts) == ["node0", "node1"]
    print_line(f"two nodes, {len(records)} records, each with the hosts {', '.join(*hosts)}: {max(outputs, key=len)}")


def _is_rank(process: psutil.Process) -> bool:
    try:
        return "bench_core.execution.rank" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_sweep_over_ranks_is_stored_and_reported(tmp_path: Path, print_line: Callable[[str], None]) -> None:
    asked = ("--bench-device=cpu", "--bench-ranks=1,2", "--bench-threads=1", "--bench-max-time=0.2")
    names = "all_reduce,all_gather,reduce_scatter,broadcast,ddp_mlp_train"
    command = ("pytest", "benchmarks", f"--bench-workload={names}", *asked, "--benchmark-autosave")
    run = subprocess.run(
        [sys.executable, "-m", *command, f"--benchmark-storage=file://{tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = tmp_path.rglob("*.json")
    stored = load(path)
    assert len(stored.records) == 2 * (4 * 5 + 4)
    assert all(record.ranks and len(record.ranks.medians) == record.case.ranks for record in stored.records)
    assert all(record.parity for record in stored.records if record.case.workload == "ddp_mlp_train")
    print_line(run.stdout[run.stdout.index("= bench-core =") :])
    report = subprocess.run(
        [sys.executable, "-m", "bench_core", "report", str(tmp_path), "--out", str(tmp_path / "page")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert report.returncode == 0, report.stderr
    assert "Scaling over ranks" in next((tmp_path / "page").rglob("*.html")).read_text()
