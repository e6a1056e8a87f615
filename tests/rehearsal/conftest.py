"""Tests of CUDA paths on machines without a GPU.

Those in ``emulated`` run in processes whose GPUs are emulated, and only there; ``test_emulated_gpu`` starts one. What
is marked ``rehearsal`` takes minutes and runs on request: make rehearse.
"""

from tests.emulated_cuda import active

ORDINARY = ["test_compiling.py", "test_emulated_gpu.py", "test_estimate.py", "test_fake_tensors.py"]
"""Tests that need no emulated GPU, and are not run where there is one."""
collect_ignore = ORDINARY if active() else ["emulated"]


def pytest_configure(config):
    config.addinivalue_line("markers", "rehearsal: takes minutes on emulated or fake GPUs; make rehearse")


def pytest_collection_modifyitems(config, items):
    if "rehearsal" in (config.option.markexpr or ""):
        return
    unwanted = [item for item in items if item.get_closest_marker("rehearsal")]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]
