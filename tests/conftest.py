from importlib.util import find_spec

import pytest

pytest_plugins = ["pytester"]

if find_spec("hypothesis") is None:
    from without_hypothesis import stand_in

    stand_in()


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory):
    """One stand-in for the digits for all tests of this module, apart from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def one_thread():
    """On a busy machine, threads that wait for each other make small work fifty times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
