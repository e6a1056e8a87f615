"""The script that runs the suite in many settings, with quick commands in place of the suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.portability import terminal
from tests.portability.__main__ import main
from tests.portability.settings import SETTINGS, Setting
from tests.portability.steps import Plan, Step, suite

ROOT = Path(__file__).parents[1]
COUNTS = '<testsuites><testsuite tests="9" errors="1" failures="2" skipped="3"/></testsuites>'


def runs(code: str) -> Plan:
    """A plan of one step, a program that gets the folder for what is written."""
    return lambda python, out: (Step("program", (python, "-c", code, str(out)), out / "counts.xml"),)


def outcome(tmp_path: Path, setting: Setting, code: str) -> tuple[int, str]:
    """The exit code of the script, and the output of the program that it ran in a setting."""
    exit_code = main(["--logs", str(tmp_path)], [setting], runs(code))
    return exit_code, (tmp_path / f"{setting.name}.log").read_text(encoding="utf-8").partition("\n$ ")[2]


def values(output: str, code: str) -> list[str]:
    """The lines that a program printed after its own command line."""
    return output.rpartition(code)[2].splitlines()[1:]


def test_settings_are_listed_by_name() -> None:
    command = [sys.executable, "-m", "tests.portability", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [line.split()[0] for line in listed.splitlines()] == [setting.name for setting in SETTINGS]
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_a_setting_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nowhere"])
    assert ended.value.code == 2
    assert "no setting 'nowhere'; there are: no-terminal, columns-60" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "verdict"), [("", "passed"), ("raise SystemExit(3)", "FAILED")])
def test_each_setting_has_a_line_with_its_counts_and_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: str, verdict: str
) -> None:
    write = f"import pathlib, sys; pathlib.Path(sys.argv[1], 'counts.xml').write_text({COUNTS!r}); {code}"
    exit_code, _ = outcome(tmp_path, Setting("plain", ""), write)
    (line,) = capsys.readouterr().out.splitlines()
    assert exit_code == (verdict == "FAILED")
    assert re.match(rf"plain +{verdict}  program: 3 passed, 3 failed, 3 skipped", line)
    assert line.endswith(str(tmp_path / "plain.log"))
    assert ("exit code 3" in line) is (verdict == "FAILED")


def test_without_a_terminal_input_and_output_are_none(tmp_path: Path) -> None:
    code = "import sys; print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)])"
    assert values(outcome(tmp_path, Setting("none", ""), code)[1], code) == ["[False, False, False]"]


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")
def test_a_terminal_is_as_wide_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    code = "import os, sys; print(os.get_terminal_size(0).columns, sys.stdout.isatty(), os.environ.get('COLUMNS'))"
    exit_code, output = outcome(tmp_path, Setting("wide", "", columns=77), code)
    assert (exit_code, values(output, code)) == (0, ["77 True None"])


def test_environment_and_wrapper_are_those_of_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    code = "import os; print(*(os.environ.get(name) for name in ('MINE', 'WRAPPED', 'ONEDNN_MAX_CPU_ISA')))"
    setting = Setting("mine", "", {"MINE": "1"}, wrapper=("env", "WRAPPED=2"))
    assert values(outcome(tmp_path, setting, code)[1], code) == ["1 2 None"]


def test_a_folder_holds_a_copy_of_the_checkout_from_which_the_package_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import bench_core, os; print(os.getcwd()); print(bench_core.__file__)"
    output = outcome(tmp_path, Setting("copy", "", folder="a folder"), code)[1]
    line = capsys.readouterr().out
    if "skipped" in line:
        pytest.skip(line)
    here, imported = values(output, code)
    assert Path(here).parts[-2:] == ("a folder", "checkout")
    assert Path(imported).is_relative_to(here)
    assert not Path(here).exists()


def test_another_user_can_write_to_the_checkout_but_not_to_the_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = "('.', os.environ['TMPDIR'], os.environ['HOME'])"
    code = f"import os, sys; print(sys.version_info[2], os.geteuid(), *(os.access(f, os.W_OK) for f in {folders}))"
    exit_code, output = outcome(tmp_path, Setting("theirs", "", folder="b", other_user=True), code)
    line = capsys.readouterr().out
    if "skipped" in line:
        pytest.skip(line)
    ((micro, user, *writable),) = map(str.split, values(output, code))
    assert (exit_code, micro, user != "0") == (0, str(sys.version_info[2]), True)
    assert writable == ["True", "True", "False"]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (Setting("elsewhere", "", processors=("Z80",)), "not a setting of"),
        (Setting("wrapped", "", wrapper=("no-such-command",)), "no no-such-command here"),
        (Setting("old", "", python="2.0"), "no Python 2.0 here"),
    ],
    ids=lambda value: value.name if isinstance(value, Setting) else "",
)
def test_a_setting_that_cannot_be_had_is_skipped_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: Setting, reason: str
) -> None:
    assert outcome(tmp_path, setting, "raise SystemExit(1)")[0] == 0
    assert re.match(rf"{setting.name} +skipped  {reason}", capsys.readouterr().out)


def test_an_interrupt_ends_the_script_and_deletes_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def interrupted(python: str, out: Path) -> tuple[Step, ...]:
        assert out.is_dir()
        raise KeyboardInterrupt

    assert main(["--logs", str(tmp_path / "logs")], [Setting("a", ""), Setting("b", "")], interrupted) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")
@pytest.mark.parametrize("columns", [None, 80])
def test_a_command_that_takes_too_long_is_ended(tmp_path: Path, columns: int | None) -> None:
    command = ("sh", "-c", f"echo $$ > '{tmp_path}/process'; exec sleep 600")
    assert terminal.run(command, tmp_path, os.environ, tmp_path / "log", columns, limit=1) == terminal.TIMED_OUT
    process = int((tmp_path / "process").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("short", [True, False])
def test_the_suite_is_tests_sweep_and_report(tmp_path: Path, short: bool) -> None:
    tests, sweep, report = suite("python", tmp_path, short=short, jobs="2")
    named = [word for word in tests.command if word.startswith("tests")]
    assert all((ROOT / word.partition("::")[0]).exists() for word in named)
    assert (named == ["tests"]) is not short
    assert "benchmarks" in sweep.command
    assert str(tmp_path / "stored") in report.command
    assert tests.counts != sweep.counts
