"""What the plugin does with the runs of other projects: their numbers, their journal, and a run that is continued."""

import re
from pathlib import Path

import pytest

from bench_core.storage import files
from tests.support.processes import python
from tests.support.projects import run_pytest
from tests.test_plugin import PLUGIN, USER

QUICK = (*PLUGIN, "--bench-device", "cpu", "--bench-max-time", "0.02", "--benchmark-autosave")
FULL_DISK = """
import errno, os, pytest

@pytest.fixture(autouse=True)
def full(tmp_path_factory):
    yield
    def no_room(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.link = no_room
    os.rename = no_room
"""


pytestmark = pytest.mark.usefixtures("workloads_stay_loaded", "importable")


def stored(pytester, pattern="*.json"):
    return sorted(pytester.path.rglob(pattern))


def test_runs_after_number_9999_are_saved_and_compared_with(pytester):
    pytester.makeini("[pytest]\nbench_storage = results")
    pytester.makepyfile(test_user=USER)
    pytester.runpytest_inprocess(*QUICK).assert_outcomes(passed=1)
    (first,) = stored(pytester)
    first.rename(first.with_name("9999_first.json"))
    latest = pytester.runpytest_inprocess(*QUICK, "--benchmark-compare")
    assert sorted(path.name.partition("_")[0] for path in stored(pytester)) == ["10000", "9999"]
    named = pytester.runpytest_inprocess(*QUICK[:-1], "--benchmark-compare=10000")
    for result, number in ((latest, "9999"), (named, "10000")):
        result.assert_outcomes(passed=1)
        compared = re.findall(r"Comparing against benchmarks from: (\S+)", result.stderr.str() + result.stdout.str())
        assert [Path(path).name.partition("_")[0] for path in compared] == [number]


def test_a_run_is_continued_only_if_it_will_be_saved(pytester):
    pytester.makepyfile(test_user=USER)
    result = pytester.runpytest_inprocess(*QUICK[:-1], "--bench-resume")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--bench-resume: needs --benchmark-autosave" in result.stderr.str()


def test_a_run_that_cannot_be_saved_fails_in_one_line_and_can_be_recovered(pytester):
    pytester.makepyfile(test_user=USER)
    pytester.makeconftest(FULL_DISK)
    result = run_pytest(pytester, *QUICK)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert stored(pytester) == []
    assert "could not be saved (No space left on device)" in result.stderr.str() + result.stdout.str()
    (journal,) = stored(pytester, "*.journal")
    assert [line for line in result.outlines if line][-1] == f"Store this run with: bench-core recover {journal}"
    assert python("-m", "bench_core", "recover", str(journal)).returncode == 0
    (run,) = files.load_all([pytester.path])
    assert not run.info.partial
    assert len(run.records) == 1


def test_a_run_that_is_not_saved_keeps_no_journal(pytester):
    pytester.makepyfile(test_user="def test_it(device_benchmark):\n    device_benchmark(lambda: None)\n    assert 0")
    for arguments in (QUICK[:-1], (*QUICK, "--benchmark-disable")):
        pytester.runpytest_inprocess(*arguments)
        assert stored(pytester, "*.journal") == []
