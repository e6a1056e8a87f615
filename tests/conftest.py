import contextlib
import gc
import os
import signal
from collections.abc import Generator, Iterator
from importlib import import_module
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck

from tests.support import processes
from tests.support.forking import describe_cpu_once

# pytest-benchmark measures nothing in a process that xdist marks as its own; but the runs inside the tests must.
os.environ.pop("PYTEST_XDIST_WORKER", None)
# Threads that spin while they wait, in two processes at once, slow each other down tens of times.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Torch's compiler would start processes for kernels of Triton, of which each loads torch.
os.environ.setdefault("TORCH_WARM_POOL", "0")
# A shell's job in the background ignores Ctrl-C, and so would all processes that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Start what the processes of the tests come from, once: xdist's processes inherit its address."""
    if not hasattr(config, "workerinput"):
        running = contextlib.ExitStack()
        running.enter_context(processes.server())
        config.add_cleanup(running.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin long tests first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the collector from the libraries' million objects: each measured case and each run of pytest calls it.

    Where there are tests of all kinds, torch's compiler is among these libraries: the first optimizer loads it, and
    loading it takes seconds in each run within a test, which would unload it.
    """
    if hasattr(session.config, "workerinput"):
        import_module("torch._dynamo")
    gc.freeze()
    session.config.add_cleanup(gc.unfreeze)


# On a busy machine an example may take any time.
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.load_profile("any machine")

pytest_plugins = ["pytester", "tests.support.counters", "tests.support.plots", "tests.support.projects"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """A test of work for which this machine's libraries have no kernel is skipped, as a sweep skips such a case."""
    try:
        return (yield)
    except RuntimeError as error:
        from bench_core.execution.skips import missing_kernel

        reason = missing_kernel(error)
        if reason is None:
            raise
        pytest.skip(reason)


@pytest.fixture
def pytester(pytester: pytest.Pytester) -> pytest.Pytester:
    """pytest's own, with the workloads loaded first: it unloads what a run inside a test was the first to import."""
    from bench_core import workloads

    workloads.names()
    describe_cpu_once()
    return pytester


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One stand-in for the digits for all tests of this module, apart from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine, threads that wait for each other make small work fifty times slower."""
    import torch

    from bench_core.hardware import allocator

    allocator.settle()  # else large tensors get their memory from the kernel in each call, page fault by page fault
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single batch of inputs in each step with hot caches: where it is called once, others would be drawn in vain."""
    monkeypatch.setattr("bench_core.workloads.kit.context.RESIDENT_BYTES", 0)
