import gc
import weakref

import pytest
import torch

from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped, NotFiniteError
from bench_core.execution.runner import Effort, Labels, run_step
from bench_core.workloads.kit.feeds import RESTORE_EVERY

QUICK = Effort(max_time=0.05)
LABELS = Labels("tests", "op", "unit", "A test.", "here")
CASE = Case("own", dtype="default")


def run(fn, **changes):
    return run_step(fn, Case(**{**vars(CASE), **changes}), 1, QUICK, LABELS)


def test_output_that_is_not_finite_in_one_call_of_a_cycle_fails_the_case():
    calls = iter(range(10**9))

    def diverges_late():
        return torch.tensor([float("nan") if next(calls) % RESTORE_EVERY > RESTORE_EVERY - 10 else 1.0])

    with pytest.raises(NotFiniteError, match="output"):
        run(diverges_late)


@pytest.mark.parametrize(
    "output", [{"loss": torch.tensor(float("inf"))}, [torch.ones(2), torch.tensor([float("nan")])]]
)
def test_dicts_and_lists_are_looked_into(output):
    with pytest.raises(NotFiniteError):
        run(lambda: output)


def test_output_on_a_device_that_was_not_waited_for_is_refused():
    with pytest.raises(ValueError, match="lies on meta, but the step was measured on cpu; say device='meta'"):
        run(lambda: torch.empty(2, device="meta"))


def test_running_out_of_gpu_memory_is_a_skip():
    def exhausts():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")

    with pytest.raises(CaseSkipped, match=r"out of GPU memory \(CUDA out of memory. Tried to allocate 20.00 GiB.\)"):
        run(exhausts)


@pytest.mark.parametrize("message", ["could not create a primitive descriptor", "\"mm\" not implemented for 'Half'"])
def test_an_operation_that_this_machines_libraries_lack_is_a_skip(message):
    def lacks():
        raise RuntimeError(message)

    with pytest.raises(CaseSkipped, match="not supported on this machine"):
        run(lacks)


def test_other_runtime_errors_pass():
    def fails():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(fails)


def test_what_a_failed_case_held_is_free_when_the_next_begins():
    held = []

    def leaks():
        tensor = torch.ones(1000)
        held.append(weakref.ref(tensor))
        cycle = [tensor]
        cycle.append(cycle)
        raise torch.OutOfMemoryError("out")

    gc.disable()
    try:
        with pytest.raises(CaseSkipped):
            run(leaks)
        run(lambda: None)
    finally:
        gc.enable()
    assert held[0]() is None


def test_threads_are_set_for_the_case_and_restored():
    before = torch.get_num_threads()
    seen = set()
    _, record = run(lambda: seen.add(torch.get_num_threads()), threads=1)
    assert seen == {1}
    assert record.threads == 1
    assert torch.get_num_threads() == before


def test_what_is_unavailable_says_why():
    _, record = run(lambda: None)
    assert record.peak_memory is None
    assert record.unavailable["peak_memory"]
    assert record.unavailable["flops"]
    assert all(getattr(record, name, None) is None or name in vars(record.timing) for name in record.unavailable)


def test_contention_is_recorded():
    _, record = run(lambda: None)
    assert record.contention.seconds > 0
    assert record.contention.involuntary_switches >= 0


def test_bf16_without_native_instructions_is_flagged(monkeypatch):
    monkeypatch.setattr(runner, "_native_bf16", lambda: False)
    _, record = run(lambda: None, dtype="bf16")
    assert any("emulated" in flag for flag in record.flags)
