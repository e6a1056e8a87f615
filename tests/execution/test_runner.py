import gc
import resource
import subprocess
import sys
import weakref
from dataclasses import fields, replace

import pytest
import torch

from bench_core import workloads
from bench_core.core.case import Case, Effort
from bench_core.core.errors import CaseSkipped, NotFiniteError, OptionError
from bench_core.core.results import FlagCode
from bench_core.execution.figures import Labels
from bench_core.execution.runner import run_case, run_step
from bench_core.workloads.kit.feeds import RESTORE_EVERY

QUICK = Effort(max_time=0.05)
LABELS = Labels("tests", "op", "unit", "A test.", "here")
CASE = Case("own", dtype="default")


def run(fn, effort=QUICK, **changes):
    return run_step(fn, replace(CASE, **changes), 1, effort, LABELS)


def error_of(fn, effort=QUICK):
    """The exception that measuring a callable raises. It must not escape: the tests' own hook makes a skip of some."""
    try:
        run(fn, effort)
    except Exception as error:
        return error
    return None


def raises(error):
    def fails():
        raise error

    return fails


@pytest.fixture
def three_threads():
    """Torch is set to a number of threads that no default would give."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_output_that_is_not_finite_in_one_call_of_a_cycle_fails_the_case():
    calls = iter(range(10**9))

    def diverges_late():
        return torch.tensor([float("nan") if next(calls) % RESTORE_EVERY > RESTORE_EVERY - 10 else 1.0])

    error = error_of(diverges_late, Effort(rel_ci=0.5, max_time=60.0))  # a tenth is enough for a cycle on any machine
    assert isinstance(error, NotFiniteError)
    assert str(error).startswith("output has values that are not finite")


@pytest.mark.parametrize(
    ("output", "name"),
    [
        pytest.param({"loss": torch.tensor(float("inf"))}, "loss", id="dict"),
        pytest.param([torch.ones(2), torch.tensor([float("nan")])], "output[1]", id="list"),
        pytest.param({"states": (torch.tensor(float("nan")),)}, "states[0]", id="tuple-in-a-dict"),
    ],
)
def test_tensors_in_dicts_and_sequences_are_checked_and_named(output, name):
    error = error_of(lambda: output)
    assert isinstance(error, NotFiniteError)
    assert str(error).startswith(f"{name} has values that are not finite")


def test_output_on_a_device_that_was_not_synchronized_is_refused():
    error = error_of(lambda: torch.empty(2, device="meta"))
    assert isinstance(error, ValueError)
    assert str(error) == "output is on meta, but the step was measured on cpu; use device='meta'"


def test_fewer_than_one_unit_is_refused():
    with pytest.raises(OptionError, match="units is 0"):
        run_step(lambda: None, CASE, 0, QUICK, LABELS)


def test_running_out_of_gpu_memory_is_a_skip():
    error = error_of(raises(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")))
    assert isinstance(error, CaseSkipped)
    assert str(error) == "out of GPU memory (CUDA out of memory. Tried to allocate 20.00 GiB.)"


@pytest.mark.parametrize("message", ["could not create a primitive descriptor", "\"mm\" not implemented for 'Half'"])
def test_an_operation_that_this_machines_libraries_lack_is_a_skip(message):
    error = error_of(raises(RuntimeError(message)))
    assert isinstance(error, CaseSkipped)
    assert "not supported on this machine" in str(error)


def test_any_other_error_of_the_work_reaches_the_caller_unchanged():
    bug = RuntimeError("a bug")
    assert error_of(raises(bug)) is bug


def test_memory_of_a_failed_case_is_free_when_the_next_begins():
    references = []

    def leaks():
        tensor = torch.ones(1000)
        references.append(weakref.ref(tensor))
        cycle: list[object] = [tensor]
        cycle.append(cycle)
        raise torch.OutOfMemoryError("out")

    gc.disable()
    try:
        assert isinstance(error_of(leaks), CaseSkipped)
        run(lambda: None)
    finally:
        gc.enable()
    assert references[0]() is None


def test_a_case_does_not_search_older_objects_for_garbage():
    older = [object()]
    assert any(found is older for found in gc.get_objects())
    run_case(workloads.get("gemm"), Case("gemm", batch_size=16), Effort(max_time=0.01))
    assert not any(found is older for found in gc.get_objects())


TRAINS = """
from bench_core import workloads
from bench_core.core.case import Case, Effort
from bench_core.execution.runner import run_case

for batch in (1, 2):
    run_case(workloads.get("rnn_ar_train"), Case("rnn_ar_train", batch_size=batch, threads=1), Effort(max_time=0.01))
"""


def test_a_process_that_measured_ends_without_a_word():
    ended = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_threads_are_set_for_the_case_and_restored(three_threads):
    seen = set()
    _, record = run(lambda: seen.add(torch.get_num_threads()), threads=1)
    assert seen == {1}
    assert record.threads == 1
    assert torch.get_num_threads() == 3


def test_threads_are_restored_after_an_error(three_threads):
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0, threads=1)
    assert torch.get_num_threads() == 3


def test_without_a_number_of_threads_torchs_own_stays(three_threads):
    _, record = run(lambda: None)
    assert record.threads == 3


def test_every_missing_value_has_a_reason_and_every_reason_a_missing_value():
    _, record = run(lambda: None)
    missing = {f.name for part in (record, record.timing) for f in fields(part) if getattr(part, f.name) is None}
    # Not missing but not applicable, and the half-width belongs to the interval.
    without_a_reason = {"casts", "compilation", "kernels", "ranks", "stages", "rel_half_width"}
    assert set(record.unavailable) == missing - without_a_reason
    assert {"flops", "parameters", "parity", "peak_memory"} <= set(record.unavailable)
    assert all(record.unavailable.values())


def test_contention_is_that_of_the_time_in_which_the_samples_were_taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    measurement, record = run(lambda: sum(range(1000)))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    assert sum(measurement.samples) * measurement.inner_calls <= record.contention.seconds <= record.wall_seconds
    assert 0 <= record.contention.involuntary_switches <= after - before


@pytest.mark.parametrize("native", [False, True], ids=["emulated", "native"])
def test_bf16_is_flagged_only_without_native_instructions(monkeypatch, native):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    _, record = run(lambda: None, dtype="bf16")
    assert [flag for flag in record.flags if flag.code == FlagCode.EMULATED_DTYPE] == (
        [] if native else [record.flags[-1]]
    )
