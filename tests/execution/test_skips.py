"""What counts as a limit of this machine. No error may escape from a test: the tests' own hook would make it a skip."""

import pytest
import torch

from bench_core.core.errors import CaseSkipped, MissingExtraError, NotFiniteError, ParityError
from bench_core.execution.skips import NO_COMPILER, limit_of, machine_limits_are_skips


def outcome(error):
    """What comes out of the block in which an error is raised."""
    try:
        with machine_limits_are_skips():
            raise error
    except Exception as outcome:
        return outcome


def wrapped(error, cause):
    """An error with a cause, as compilers raise it."""
    try:
        raise error from cause
    except Exception as raised:
        return raised


class BackendCompilerError(RuntimeError):
    """Keeps its cause as torch's ``BackendCompilerFailed`` does."""

    def __init__(self, inner):
        super().__init__(f"backend='inductor' raised:\n{inner}")
        self.inner_exception = inner


# Of torch's own only the names count, and importing them takes seconds.
InvalidCxxCompiler, TritonMissing = (
    type(name, (RuntimeError,), {}) for name in ("InvalidCxxCompiler", "TritonMissing")
)
NO_CXX = InvalidCxxCompiler("\n  No working C++ compiler found in cpp.cxx: ('no-such-compiler',)\n\nmore")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ..."),
            "out of GPU memory (CUDA out of memory. Tried to allocate 20.00 GiB.)",
            id="gpu-memory",
        ),
        pytest.param(MemoryError(), "out of memory (MemoryError)", id="host-memory-without-a-message"),
        pytest.param(
            MemoryError("Unable to allocate 8.00 TiB for an array with shape (1099511627776,)"),
            "out of memory (Unable to allocate 8.00 TiB for an array with shape (1099511627776,))",
            id="host-memory-of-numpy",
        ),
        pytest.param(
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
            "out of memory ([enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory)",
            id="host-memory-of-torch",
        ),
        pytest.param(
            RuntimeError("could not create a primitive descriptor for a matmul. Run with ONEDNN_VERBOSE=all"),
            "not supported on this machine (could not create a primitive descriptor for a matmul)",
            id="no-kernel-in-onednn",
        ),
        pytest.param(
            NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Half'"),
            "not supported on this machine (\"addmm_impl_cpu_\" not implemented for 'Half')",
            id="no-kernel-in-torch",
        ),
        pytest.param(
            NO_CXX,
            "compile: no working compiler (No working C++ compiler found in cpp.cxx: ('no-such-compiler',))",
            id="no-compiler",
        ),
        pytest.param(
            BackendCompilerError(NO_CXX),
            "compile: no working compiler (No working C++ compiler found in cpp.cxx: ('no-such-compiler',))",
            id="no-compiler-as-inner-exception",
        ),
        pytest.param(
            wrapped(
                RuntimeError("compiling failed"), wrapped(ValueError("inside"), TritonMissing("Cannot find Triton"))
            ),
            "compile: no working compiler (Cannot find Triton)",
            id="no-compiler-as-cause-of-the-cause",
        ),
        pytest.param(
            InvalidCxxCompiler(),
            "compile: no working compiler (InvalidCxxCompiler)",
            id="no-compiler-without-a-message",
        ),
        pytest.param(MissingExtraError("install it"), "install it", id="missing-extra"),
    ],
)
def test_a_limit_of_this_machine_is_a_skip_with_its_reason(error, reason):
    skip = outcome(error)
    assert type(skip) is CaseSkipped
    assert str(skip) == reason


def test_memory_that_torch_cannot_allocate_on_this_host_is_a_limit():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert str(limit_of(caught.value)).startswith("out of memory (")


def test_an_operation_without_a_kernel_in_this_torch_is_a_limit():
    with pytest.raises(RuntimeError) as caught:
        torch.nn.functional.avg_pool2d(torch.ones(1, 1, 2, 2, dtype=torch.int), 2)
    assert str(limit_of(caught.value)).startswith("not supported on this machine (")


def test_torch_has_exceptions_of_the_names_that_stand_for_no_compiler():
    from torch._inductor import exc

    assert [name for name in NO_COMPILER if not hasattr(exc, name)] == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a bug"),
        ValueError("not implemented for what was asked"),
        KeyError("could not create a primitive"),
        ParityError("relative error 0.3 exceeds the fp32 tolerance 4e-06"),
        NotFiniteError("output has values that are not finite"),
        wrapped(RuntimeError("outer"), ValueError("inner")),
    ],
    ids=lambda error: f"{type(error).__name__}({error})",
)
def test_any_other_error_passes_unchanged(error):
    assert outcome(error) is error
    assert limit_of(error) is None


def test_a_skip_passes_with_its_own_reason():
    skip = CaseSkipped("studies are not run here")
    assert outcome(skip) is skip


def test_a_block_without_an_error_is_left_alone():
    with machine_limits_are_skips():
        value = 3
    assert value == 3
