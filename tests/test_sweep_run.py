"""The suite's own sweep, as its users start it: in a process of its own, from the checkout."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench_core import workloads
from bench_core.storage import files
from tests.support.processes import python
from tests.support.threads import T1

ROOT = Path(__file__).parents[1]
BATCH_64 = ("--bench-batch-size", "64")
QUICK = ("--bench-max-time", "0.02", "--bench-batch-size", "8")
NO_GPU = not torch.cuda.is_available()


def pytest_run(*arguments, cwd=ROOT, command=("-m", "pytest")):
    return python(*command, *arguments, cwd=cwd)


def started(*command):
    """A program from its start."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def sweep(tmp_path, *arguments, **options):
    storage = tmp_path / "stored"
    run = pytest_run(
        "benchmarks", "--benchmark-autosave", f"--benchmark-storage=file://{storage}", *arguments, **options
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run, [files.load(path) for path in sorted(storage.rglob("*.json"))]


@pytest.fixture(scope="module")
def gemm_run(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("gemm"), "--bench-workload", "gemm", *QUICK)


def test_the_number_of_cases_and_the_time_come_first_then_a_line_a_case(gemm_run):
    output = gemm_run[0].stdout
    plan = output.index("bench-core: ")
    assert "1 case on cpu" in output[plan:]
    assert " about " in output[plan : plan + 120]
    assert re.search(r"^\[1/1\] gemm-cpu-b8-fp32-eager +[\d.]+ \ws", output[plan:], re.MULTILINE)


@pytest.mark.skipif(not NO_GPU, reason="a GPU is present")
def test_without_a_gpu_its_cases_are_listed_once_as_not_run_and_none_passes(gemm_run):
    run, (stored,) = gemm_run
    (entry,) = [e for e in stored.info.not_run if e.what.startswith("cuda")]
    assert entry.outcome == "not run"
    assert "CUDA" in entry.reason
    assert all(record.case.device == "cpu" for record in stored.records)
    closing = " ".join(run.stdout.split("= bench-core =")[1].split())
    assert re.search(r"not run: .*: cuda \(\d+ cases?\)", closing)


def test_a_record_holds_the_case_and_its_figures(gemm_run):
    _, (stored,) = gemm_run
    record = stored.records[0]
    assert (record.case.workload, record.case.batch_size, record.case.dtype) == ("gemm", 8, "fp32")
    assert record.flops == 2 * 8**3
    assert record.timing.samples
    assert record.threads == stored.info.machine.usable_cpus
    assert stored.info.machine.torch == str(torch.__version__)
    assert not stored.info.partial


def test_two_runs_stored_make_a_table_in_pytest_benchmarks_own_compare(gemm_run, tmp_path):
    runs = [*gemm_run[1], *sweep(tmp_path, "--bench-workload", "gemm", *QUICK)[1]]
    assert len(runs) == 2
    tool = shutil.which("pytest-benchmark", path=str(Path(sys.executable).parent)) or shutil.which("pytest-benchmark")
    command = (tool,) if tool else (sys.executable, "-m", "pytest_benchmark")
    result = started(*command, "compare", *(str(run.path) for run in runs))
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("gemm-cpu-b8-fp32-eager") >= 2


def test_a_full_sweep_has_cases_of_every_workload_or_says_why_not():
    run = pytest_run("benchmarks", "--collect-only", "-q", "--bench-sweep", "full")
    assert run.returncode == 0, run.stdout + run.stderr
    swept = set(re.findall(r"^benchmarks/test_workloads\.py::test_workload\[(\w+)-", run.stdout, re.MULTILINE))
    skipped = set(re.findall(r"[:;] (\w+) \(\d+ cases?\)", " ".join(run.stdout.split())))
    assert swept | skipped >= set(workloads.names())
    assert swept >= {name for name in workloads.names() if workloads.get(name).batch_sizes("cpu", "full")} - skipped
    assert "gemm" in swept
    first_case, last_case = run.stdout.index("::test_workload["), run.stdout.rindex("::test_workload[")
    assert run.stdout.index("::test_ceilings[") < first_case
    assert last_case < run.stdout.index("::test_ladder[")


def test_a_bare_pytest_in_the_checkout_finds_the_plugin(tmp_path):
    tool = shutil.which("pytest", path=str(Path(sys.executable).parent)) or shutil.which("pytest")
    result = started(tool, "benchmarks/test_workloads.py", "--collect-only", "-q")
    assert result.returncode == 0, result.stderr
    assert "benchmarks/test_workloads.py::test_workload[gemm-cpu-b64-fp32-eager]" in result.stdout


def test_storage_is_a_folder_of_this_machine_unless_named(tmp_path):
    from bench_core.hardware.machine import fingerprint

    copy = tmp_path / "checkout"
    for part in ("bench_core", "benchmarks"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    run = pytest_run("benchmarks", "--benchmark-autosave", "--bench-workload", "gemm", *QUICK, cwd=copy)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (copy / "results").rglob("*.json")
    assert path.relative_to(copy / "results").parts[0] == fingerprint().slug
    assert fingerprint().slug.endswith("_no-gpu") is NO_GPU


def test_bad_requests_end_before_the_sweep_in_one_line():
    result = pytest_run("benchmarks", "--bench-workload", "nope")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert "no workload 'nope'; there are: " in line


def test_families_without_a_case_are_left_out_in_silence(gemm_run):
    assert "skipped" not in gemm_run[0].stdout.splitlines()[-1]
    assert "NOTSET" not in gemm_run[0].stdout


def test_cold_caches_are_measured_where_inputs_rotate_and_skipped_elsewhere(tmp_path):
    asked = ("--bench-workload", "gemm,lstm_ar_train", "--bench-caches", "cold", *QUICK[:2], *BATCH_64)
    _, (stored,) = sweep(tmp_path, *asked, command=("-c", CACHE_OF_16_MIB))
    assert {r.case.caches for r in stored.records} == {"cold"}
    assert "gemm" in {r.case.workload for r in stored.records}
    (skipped,) = [e for e in stored.info.not_run if e.what.startswith("lstm_ar_train-T5h64-cpu-b64")]
    assert "take a larger batch" in skipped.reason


CACHE_OF_16_MIB = """
import sys, pytest
from bench_core.hardware import machine
machine.last_level_cache = lambda: 16 * 2**20
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.long
def test_a_compiled_case_stores_compile_time_and_graph_breaks(tmp_path):
    _, (stored,) = sweep(tmp_path, "--bench-workload", "mlp_infer", "--bench-variant", "compile", *QUICK)
    (record,) = stored.records
    assert record.compilation.graph_breaks == 0
    assert record.compilation.seconds is None or 0 < record.compilation.seconds < record.timing.cold_start


@pytest.mark.long
def test_no_compiler_is_a_skip_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    asked = ("--bench-workload", "mlp_infer", "--bench-variant", "compile", *QUICK)
    run = pytest_run("benchmarks", *asked, command=("-c", WITHOUT_COMPILER))
    assert run.returncode == 0
    assert re.search("skipped: compile: no working compiler.*: mlp_infer-cpu-b8-fp32-compile", run.stdout)


WITHOUT_COMPILER = """
import sys, pytest
from torch._inductor import config
config.cpp.cxx = (None, "no-such-compiler")  # what torch takes from the variable CXX when it is loaded
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "option", ["--benchmark-storage=file:///proc/nowhere", "--benchmark-json=/proc/nowhere/a.json"]
)
def test_a_folder_that_cannot_be_written_is_reported_before_the_sweep(option):
    run = pytest_run("benchmarks", "--benchmark-autosave", "--bench-workload", "gemm", option)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_workload" not in run.stdout
    (line,) = [line for line in run.stderr.splitlines() if line.strip()]
    assert "cannot be written" in line
    assert option.partition("=")[0] in line


def test_an_option_in_the_environment_counts_too(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--benchmark-storage=file://{tmp_path}")
    run = pytest_run("benchmarks", "--benchmark-autosave", "--bench-workload", "gemm", *QUICK)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_each_case_is_measured_with_its_number_of_threads_and_torchs_own_is_restored(tmp_path):
    arguments = ("--bench-workload", "gemm", "--bench-threads", "1,3", *QUICK)
    _, (stored,) = sweep(tmp_path, *arguments, command=("-c", WITH_FIVE_THREADS))
    one = 1 if T1 else None  # where there is one core only, one thread is all cores
    assert [(record.case.threads, record.threads) for record in stored.records] == [(one, 1), (3, 3)]


WITH_FIVE_THREADS = """
import sys, pytest, torch
torch.set_num_threads(5)
status = pytest.main(sys.argv[1:])
assert torch.get_num_threads() == 5
sys.exit(status)
"""


def test_an_interrupted_run_is_stored_as_partial(tmp_path):
    run = pytest_run(
        "benchmarks/test_workloads.py",
        "--bench-workload",
        "gemm",
        "--benchmark-autosave",
        f"--benchmark-storage=file://{tmp_path}",
        *QUICK[:2],
        "-p",
        "stop_after_two",
        command=("-c", STOP_AFTER_TWO),
    )
    assert run.returncode == pytest.ExitCode.INTERRUPTED, run.stdout + run.stderr
    (path,) = tmp_path.rglob("*.json")
    stored = files.load(path)
    assert stored.info.partial
    assert 0 < len(stored.records) < stored.info.planned
    assert json.loads(path.read_text())[files.KEY]["partial"] is True


STOP_AFTER_TWO = """
import sys, types, pytest
module = types.ModuleType("stop_after_two")
seen = []
def pytest_runtest_logreport(report):
    if report.when == "call":
        seen.append(report)
        if len(seen) == 2:
            raise KeyboardInterrupt
module.pytest_runtest_logreport = pytest_runtest_logreport
sys.modules["stop_after_two"] = module
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_a_sweep_in_shards_has_each_test_once(tmp_path):
    def listed(*options):
        run = pytest_run("benchmarks", "--collect-only", "-q", "--bench-device", "cpu", *options)
        assert run.returncode == 0, run.stdout + run.stderr
        return re.findall(r"^benchmarks/\S+::\S+$", run.stdout, re.MULTILINE)

    shards = [listed("--bench-shard", f"{index}/2") for index in (1, 2)]
    assert sorted(name for shard in shards for name in shard) == sorted(listed())
    assert all(shards)


@pytest.mark.long
def test_shards_are_stored_and_merged_into_one_run(tmp_path):
    for index in (1, 2):
        asked = ("--bench-workload", "gemm", "--bench-batch-size", "4,8,16", "--bench-max-time", "0.02")
        run, _ = sweep(tmp_path / str(index), *asked, "--bench-device", "cpu", "--bench-shard", f"{index}/2")
        assert f"shard {index} of 2" in run.stdout
    merged = python("-m", "bench_core", "merge", str(tmp_path / "all"), str(tmp_path / "1"), str(tmp_path / "2"))
    (path,) = (tmp_path / "all").rglob("*.json")
    assert merged.stdout.startswith(f"Joined from 2 shards: {path}\n1 written to ")
    stored = files.load(path)
    assert sorted(record.case.batch_size for record in stored.records) == [4, 8, 16]
    assert (stored.info.planned, stored.info.partial, stored.info.shard) == (3, False, None)
