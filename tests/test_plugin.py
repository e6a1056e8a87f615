"""The plugin in other projects. Runs are in a process of their own where imports or whole outputs matter, and where
cases are measured: a run within this process unloads what it loads, and triton leaks memory when it is loaded twice.
"""

import json
import re

import pytest

import bench_core.execution.fixture  # noqa: F401 - loaded before the first run within this process
from bench_core.core.results import FlagCode
from bench_core.core.studies import LadderRung
from bench_core.storage import files
from tests.support.projects import run_pytest
from tests.support.threads import T1

FOREIGN = """
import pytest

@pytest.fixture
def device():
    return "their own"

def test_theirs(device, request):
    assert device == "their own"
    assert request.config.getoption("--device") == "x"

def test_with_benchmark(benchmark):
    assert benchmark(lambda: 3) == 3
"""
FOREIGN_CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--device", default="x")
"""
USER = """
def step():
    return sum(range(2000))

def test_my_model(device_benchmark, bench_device):
    device_benchmark(step, device=bench_device, units=64)
"""
PLUGIN = ("-p", "bench_core.plugin")
BRIEF = ("--bench-max-time", "0.02")
"""For runs of which only what is stored and printed matters."""


pytestmark = pytest.mark.usefixtures("workloads_stay_loaded", "importable")


def saved(folder):
    (path,) = folder.rglob("*.json")
    return path


def test_a_project_that_does_not_use_it_notices_nothing(pytester):
    pytester.makepyfile(FOREIGN)
    pytester.makeconftest(FOREIGN_CONFTEST)
    brief = "--benchmark-max-time=0.02"
    without = pytester.runpytest_subprocess("-p", "no:bench_core.plugin", "--benchmark-save=before", brief)
    with_it = pytester.runpytest_subprocess(*PLUGIN, "--benchmark-save=after", brief)
    for result in (without, with_it):
        result.assert_outcomes(passed=2)
    # pytest itself lists installed plugins by name.
    printed = [line for line in (*with_it.outlines, *with_it.errlines) if not line.startswith("plugins: ")]
    assert "bench-core" not in "\n".join(printed)
    before, after = (
        json.loads(next(pytester.path.rglob(f"*_{name}.json")).read_text()) for name in ("before", "after")
    )
    assert set(before) == set(after)
    assert after["benchmarks"][0]["extra_info"] == {}
    assert before["benchmarks"][0]["options"] == after["benchmarks"][0]["options"]


def test_a_project_that_does_not_use_it_does_not_import_torch(pytester):
    pytester.makepyfile("import sys\n\ndef test_light():\n    assert 'torch' not in sys.modules")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_it_does_no_harm_without_pytest_benchmark(pytester):
    pytester.makepyfile("def test_fine():\n    pass")
    pytester.runpytest_subprocess(*PLUGIN, "-p", "no:benchmark").assert_outcomes(passed=1)


def test_entry_point_and_option_together_register_once(pytester):
    pytester.makepyfile("def test_fine():\n    pass")
    result = pytester.runpytest_subprocess(*PLUGIN, *PLUGIN)
    result.assert_outcomes(passed=1)


def test_every_option_begins_with_bench(pytester, monkeypatch):
    monkeypatch.setenv(
        "PYTHONIOENCODING", "utf-8"
    )  # pytest escapes its whole help in an encoding that lacks a character

    def options(*arguments):
        shown = pytester.runpytest_subprocess("--help", *arguments).stdout.str()
        return set(re.findall(r"^ +(-[\w-]+)", shown, re.MULTILINE))

    added = options(*PLUGIN) - options("-p", "no:bench_core.plugin")
    assert "--bench-device" in added
    assert [option for option in added if not option.startswith("--bench-")] == []


def test_a_users_step_is_measured_stored_and_replayed(pytester):
    pytester.makepyfile(test_user=USER)
    result = pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave", "--bench-device", "cpu")
    result.assert_outcomes(passed=1)
    run = files.load(saved(pytester.path / ".benchmarks"))
    (record,) = run.records
    assert (record.case.workload, record.case.device, record.units) == ("test_user.py::test_my_model", "cpu", 64)
    document = json.loads(run.path.read_text())
    theirs = document["benchmarks"][0]["stats"]
    assert theirs["median"] == pytest.approx(record.timing.median)
    assert theirs["rounds"] == record.timing.count
    assert theirs["iterations"] == 1


def test_the_arguments_of_a_tests_own_marker_are_kept(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.benchmark(group="mine")
        def test_grouped(device_benchmark):
            device_benchmark(lambda: None)
        """
    )
    pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave").assert_outcomes(passed=1)
    (bench,) = json.loads(saved(pytester.path).read_text())["benchmarks"]
    assert bench["group"] == "mine"
    assert "replay" in bench["options"]["timer"]


def test_benchmark_only_runs_it_and_benchmark_skip_does_not(pytester):
    pytester.makepyfile(test_user=USER + "\ndef test_plain():\n    pass\n")
    pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-only").assert_outcomes(passed=1, skipped=1)
    pytester.runpytest_inprocess(*PLUGIN, "--benchmark-skip").assert_outcomes(passed=1, skipped=1)


def test_disabled_the_step_runs_once(pytester):
    pytester.makepyfile(
        test_user="""
        calls = []

        def test_once(device_benchmark):
            assert device_benchmark(lambda: calls.append(1)) is None
            assert len(calls) == 1
        """
    )
    pytester.runpytest_inprocess(*PLUGIN, "--benchmark-disable").assert_outcomes(passed=1)


def test_a_step_that_fails_fails_its_test_and_stores_nothing(pytester):
    pytester.makepyfile(
        test_user="""
        def test_broken(device_benchmark):
            device_benchmark(lambda: 1 / 0)

        def test_infinite(device_benchmark):
            import torch
            device_benchmark(lambda: torch.tensor([1.0, float("inf")]))
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*not finite*"])
    assert not list(pytester.path.rglob("*.json"))


def test_running_out_of_memory_is_a_skip_with_its_reason(pytester):
    pytester.makepyfile(
        test_user="""
        def test_huge(device_benchmark):
            import torch
            device_benchmark(lambda: torch.empty(2**50))
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*SKIPPED*out of memory*"])


def test_bad_options_are_usage_errors_in_one_line(pytester):
    pytester.makepyfile(test_user=USER)
    result = pytester.runpytest_inprocess(*PLUGIN, "--bench-device", "tpu")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.stderr.lines if line.strip()]
    assert "no device 'tpu'; there are: cpu, cuda" in line


def test_tests_of_one_name_in_two_files_are_two_cases(pytester):
    pytester.makepyfile(
        test_a="def test_work(device_benchmark):\n    device_benchmark(lambda: sum(range(10)))",
        test_b="def test_work(device_benchmark):\n    device_benchmark(lambda: sum(range(1000)))",
    )
    pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave").assert_outcomes(passed=2)
    run = files.load(saved(pytester.path / ".benchmarks"))
    assert {r.case.workload for r in run.records} == {"test_a.py::test_work", "test_b.py::test_work"}


def test_parameters_name_the_case_by_their_ids(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.parametrize("size", [pytest.param(object(), id="small"), pytest.param(object(), id="large")])
        def test_sized(device_benchmark, bench_device, size):
            device_benchmark(lambda: None, device=bench_device)
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave", "--bench-device", "cpu")
    result.assert_outcomes(passed=2)
    assert {r.case.setting for r in files.load(saved(pytester.path)).records} == {"small", "large"}


def test_a_projects_own_bench_device_fixture_stays_its_own(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.fixture(params=["one", "two"])
        def bench_device(request):
            return request.param

        def test_theirs(bench_device):
            assert bench_device in ("one", "two")
        """
    )
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=2)


def test_a_number_of_threads_is_torchs_own_unless_one_is_asked_for(pytester):
    pytester.makepyfile(
        test_user="""
        import torch

        def test_threads(device_benchmark):
            torch.set_num_threads(3)
            device_benchmark(lambda: None)
            assert torch.get_num_threads() == 3
        """
    )
    run_pytest(pytester, *PLUGIN, *BRIEF, "--benchmark-save=own").assert_outcomes(passed=1)
    run_pytest(pytester, *PLUGIN, *BRIEF, "--benchmark-save=asked", "--bench-threads=1").assert_outcomes(passed=1)
    own, asked = (files.load(next(pytester.path.rglob(f"*_{name}.json"))) for name in ("own", "asked"))
    assert own.records[0].threads == 3
    assert asked.records[0].threads == 1
    too_many = FlagCode.TOO_MANY_THREADS in {flag.code for flag in own.records[0].flags}
    assert too_many is (own.info.machine.usable_cpus < 3)


def test_fewer_than_one_unit_is_refused(pytester):
    pytester.makepyfile(test_user="def test_none(device_benchmark):\n    device_benchmark(lambda: None, units=0)")
    result = pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--benchmark-autosave")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*units is 0*"])


GEMM = ("--bench-device", "cpu", "--bench-batch-size", "8", "--bench-threads", "1", *BRIEF)
"""With the family ``gemm``: one case that takes little time."""
LADDER = ("--bench-study", "ladder")


def test_a_case_that_is_never_measured_passes_and_says_so(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.bench_family("gemm")
        def test_not_measured(case):
            assert case.workload == "gemm"
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, *GEMM, "--benchmark-autosave")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["[[]1/1[]] gemm-cpu-b8-fp32-eager* passed without a measurement"])
    for word in ("KeyError", "INTERNALERROR", "warning: ", "not stored"):
        assert word not in result.stdout.str()
    assert not list(pytester.path.rglob("*.json"))


def test_a_family_is_swept_by_its_name_in_another_project(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.bench_family("gemm")
        def test_gemm(case, device_benchmark):
            device_benchmark.case(case)
        """
    )
    asked = ("--bench-workload", "gemm,mlp_infer", "--bench-batch-size", "8,16")
    result = run_pytest(pytester, *PLUGIN, *GEMM, *asked, "--benchmark-autosave")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["[[]2/2[]] gemm-cpu-b16-fp32-eager*"])
    run = files.load(saved(pytester.path))
    assert [(r.case.workload, r.case.batch_size) for r in run.records] == [("gemm", 8), ("gemm", 16)]
    assert (run.info.planned, run.info.partial) == (2, False)


def test_without_a_name_the_marker_sweeps_every_requested_workload(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.bench_family
        def test_workload(case):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, *GEMM, "--bench-workload", "gemm,mlp_infer", "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == [
        f"test_user.py::test_workload[{name}-cpu-b8-fp32-eager{T1}]" for name in ("gemm", "mlp_infer")
    ]


STUDY = """
import pytest

from bench_core.core.studies import LadderRung

def rung(name, interval):
    return LadderRung("cpu", "Synthetic CPU", 16, "synthetic work", "none", name, "Synthetic.", 0.5, interval, 200)

ROWS = (rung("first", None), rung("last", (0.25, 0.75)))

@pytest.mark.bench_study("ladder", workload="gemm", seconds=3)
@pytest.mark.parametrize("part", [0, 1])
def test_a_study(part, bench_device, device_benchmark):
    device_benchmark.study(lambda sources: ROWS[part:part + 1], lambda rows: f"measured {rows[0].rung}")

def test_plain():
    pass

@pytest.mark.bench_family("gemm")
def test_the_sweep(case, device_benchmark):
    device_benchmark.case(case)
"""


def test_studies_come_after_the_cases_and_all_else_keeps_its_order(pytester):
    pytester.makepyfile(test_a=STUDY, test_b=STUDY)
    result = pytester.runpytest_inprocess(*PLUGIN, *GEMM, *LADDER, "--collect-only", "-q")
    names = [re.sub(r"\[gemm.*|\.py::test", "", line) for line in result.outlines if "::" in line]
    studies = [f"test_{file}_a_study[cpu-{part}]" for file in "ab" for part in (0, 1)]
    assert names == ["test_a_plain", "test_a_the_sweep", "test_b_plain", "test_b_the_sweep", *studies]


def test_a_run_with_a_study_stores_its_rows_and_the_names_of_its_items(pytester):
    pytester.makepyfile(test_user=STUDY)
    result = run_pytest(pytester, *PLUGIN, *GEMM, *LADDER, "--benchmark-autosave")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*1 case and 2 studies on cpu*", "*ladder-0-cpu*measured first*", "*ladder-1-cpu*"])
    path = saved(pytester.path)
    info = files.load(path).info
    assert info.studied == ("ladder-0-cpu", "ladder-1-cpu")
    (rows,) = info.studies.values()
    assert list(info.studies) == ["ladder"]
    assert [(row["rung"], row["interval"], row["seconds"]) for row in rows] == [
        ("first", None, 0.5),
        ("last", [0.25, 0.75], 0.5),
    ]
    first, last = info.rows(LadderRung)
    assert (first.rung, first.interval, last.rung, last.interval) == ("first", None, "last", (0.25, 0.75))
    benchmarks = json.loads(path.read_text())["benchmarks"]
    assert [bench["name"] for bench in benchmarks] == [f"test_the_sweep[gemm-cpu-b8-fp32-eager{T1}]"]


def test_the_markers_arguments_of_a_study_may_be_given_by_position(pytester):
    pytester.makepyfile(test_user=STUDY.replace('"ladder", workload="gemm", seconds=3', '"ladder", 3, "gemm", "full"'))
    everything = ("--bench-device", "cpu", "--collect-only", "-q")
    default = pytester.runpytest_inprocess(*PLUGIN, *everything)
    assert not [line for line in default.outlines if "test_a_study" in line]
    full = pytester.runpytest_inprocess(*PLUGIN, *everything, "--bench-sweep", "full")
    assert len([line for line in full.outlines if "test_a_study" in line]) == 2


def test_a_narrower_sweep_has_studies_only_if_they_are_asked_for(pytester):
    pytester.makepyfile(test_user=STUDY)
    narrow = pytester.runpytest_inprocess(*PLUGIN, *GEMM, "--collect-only", "-q")
    assert not [line for line in narrow.outlines if "test_a_study" in line]
    asked = pytester.runpytest_inprocess(*PLUGIN, *GEMM, *LADDER, "--collect-only", "-q")
    assert len([line for line in asked.outlines if "test_a_study" in line]) == 2


def test_a_request_that_leaves_nothing_to_measure_is_an_error(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.mark.bench_family
        def test_sweep(case, device_benchmark):
            device_benchmark.case(case)
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "--bench-device", "cpu", "--bench-workload", "transfer")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*these options leave nothing to measure: transfer (* needs a CUDA device*"])


def test_a_case_whose_teardown_fails_too_is_counted_once(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest

        @pytest.fixture
        def breaks():
            yield
            raise RuntimeError("the teardown failed")

        @pytest.mark.bench_family("gemm")
        def test_breaks(case, breaks):
            raise RuntimeError("the call failed")

        @pytest.mark.bench_family("mlp")
        def test_fine(case):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, *GEMM, "--bench-workload", "gemm,mlp_infer")
    result.assert_outcomes(failed=1, errors=1, passed=1)
    lines = [line for line in result.outlines if re.match(r"\[\d/\d\] ", line)]
    assert [line[:10] for line in lines] == ["[1/2] gemm", "[2/2] mlp_"]
    assert "failed: RuntimeError: the call failed" in lines[0]


def test_a_case_of_a_workload_that_does_not_exist_ends_the_run_in_one_line(pytester):
    pytester.makepyfile(
        test_user="""
        import pytest
        from bench_core import Case

        @pytest.mark.parametrize("case", [Case("nope")])
        def test_own(case):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "--bench-device", "cpu")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no workload 'nope'; there are: " in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_the_storage_folder_is_left_alone_by_a_run_that_saves_nothing(pytester):
    pytester.makepyfile(test_user=USER)
    pytester.runpytest_inprocess(*PLUGIN, *BRIEF, "--bench-device", "cpu").assert_outcomes(passed=1)
    assert list(pytester.path.glob(".benchmarks/**/*")) == []


def test_what_the_terminals_encoding_lacks_is_written_in_ascii(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    pytester.makepyfile("def test_one(bench_device):\n    pass")
    pytester.makeconftest(
        "def pytest_terminal_summary(terminalreporter):\n    terminalreporter.write_line('12 \\u00b5s \\u00b12%')"
    )
    result = run_pytest(pytester, *PLUGIN, "--bench-device", "cpu")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["12 us +/-2%"])
