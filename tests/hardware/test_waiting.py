"""The waiting policy of torch's threads: chosen before torch is loaded, and never against the user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench_core.hardware import waiting

ROOT = Path(__file__).parents[2]


def test_threads_wait_passively_beside_other_work():
    environ: dict[str, str] = {}
    waiting.choose(environ, busy_cores=1.0)
    assert environ == waiting.PASSIVE
    assert waiting.policy(environ) == "OMP_WAIT_POLICY=passive"


def test_nothing_is_set_on_a_quiet_machine():
    environ: dict[str, str] = {}
    waiting.choose(environ, busy_cores=0.1)
    assert environ == {}
    assert waiting.policy(environ) == waiting.DEFAULT


@pytest.mark.parametrize("choice", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "1000"}, {"KMP_BLOCKTIME": "0"}])
def test_the_users_choice_stays(choice):
    environ = dict(choice)
    waiting.choose(environ, busy_cores=1.0)
    assert environ == choice


def test_a_busy_neighbor_is_seen():
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    ) as busy:
        assert busy.stdout
        busy.stdout.readline()
        try:
            assert waiting.busy_cores(0.5) > waiting.BUSY_CORES
        finally:
            busy.kill()


def test_a_policy_cannot_be_chosen_once_torch_is_loaded(tmp_path):
    (tmp_path / "torch.py").write_text("")  # in place of torch, which takes seconds to load
    environ = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    ask = "print(waiting.can_choose())"
    code = f"from bench_core.hardware import waiting; {ask}; import torch; {ask}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert run.stdout.split() == ["True", "False"]
