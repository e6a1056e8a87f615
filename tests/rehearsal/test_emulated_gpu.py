"""The short form of the rehearsal on emulated GPUs, in a process of its own, and what starts such processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.emulated_cuda import active, build
from tests.emulated_cuda.__main__ import UNAVAILABLE

ROOT = Path(__file__).parents[2]


def emulated(*command, **variables):
    """A finished command that saw emulated GPUs."""
    return subprocess.run(
        [sys.executable, "-m", "tests.emulated_cuda", *command],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def _available():
    if reason := build.unavailable():
        pytest.skip(f"no emulated GPU: {reason}")


def test_no_gpu_is_emulated_in_the_process_of_ordinary_tests():
    assert not active()


PROGRAM = """
import sys

import pytest
import torch

if __name__ == "__main__":
    assert torch.cuda.device_count() == 3
    for _ in range(2):
        torch.ones(1, device="cuda:2").item()
    sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.long
@pytest.mark.usefixtures("_available")
def test_a_program_sees_so_many_gpus_its_waits_are_listed_and_work_on_them_passes_its_tests(tmp_path):
    """All in one process, since loading torch and the emulation takes seconds."""
    program, listed = tmp_path / "program.py", tmp_path / "waits.jsonl"
    program.write_text(PROGRAM)
    tests = ("-q", "-p", "no:cacheprovider", "tests/rehearsal")
    done = emulated("python", str(program), *tests, EMULATED_CUDA_GPUS="3", EMULATED_CUDA_WAITS=str(listed))
    assert done.returncode == 0, done.stdout + done.stderr
    waits = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {"kind": "item", "file": str(program), "line": 10, "count": 2} in waits


@pytest.mark.usefixtures("_available")
def test_the_exit_code_is_the_commands_own():
    assert emulated("false").returncode == 1
    assert emulated("no-such-command").returncode == 127
    assert emulated().returncode == 2


@pytest.mark.usefixtures("_available")
def test_without_a_compiler_it_says_so_in_one_line(tmp_path):
    done = emulated("true", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == UNAVAILABLE
    assert done.stderr == "no emulated GPU: gcc is missing; the emulation compiles a small library\n"


@pytest.mark.usefixtures("_available")
def test_a_cache_folder_that_cannot_be_written_is_named_as_the_reason(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert build.unavailable().startswith(f"cannot write to {tmp_path / 'file'}")


def test_a_torch_without_cuda_is_named_as_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "torch/__init__.py")))
    assert "without CUDA" in build.unavailable()


@pytest.mark.usefixtures("_available")
def test_a_source_that_does_not_compile_is_named_as_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "broken.c").write_text("int f(void) { return g; }")
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "LIBRARIES", {"broken.so": ("broken.c",)})
    assert build.unavailable().startswith("gcc cannot compile the emulation: ")
    assert not list(tmp_path.glob("emulated_cuda/*")), "nothing is left behind"
