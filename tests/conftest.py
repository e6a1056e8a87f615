import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

# pytest-benchmark measures nothing in a process that xdist marks as its own; but the runs inside the tests must.
os.environ.pop("PYTEST_XDIST_WORKER", None)
# Threads that spin while they wait, in two processes at once, slow each other down tens of times.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

pytest_plugins = ["pytester"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """A test of work for which this machine's libraries have no kernel is skipped, as a sweep skips such a case."""
    from bench_core.core.errors import CaseSkipped
    from bench_core.execution.skips import machine_limits_are_skips

    try:
        with machine_limits_are_skips():
            return (yield)
    except CaseSkipped as skip:
        pytest.skip(str(skip))


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

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
