"""The pytest plugin: options, the sweep, the two fixtures, and what is stored of a run.

Harmless where it is not used: every option begins with ``--bench-``; torch is imported only when a fixture, a marker or
an option of this plugin is used; the storage folder changes only where the ini option ``bench_storage`` is set.

pytest calls what is named here. May import ``execution``, ``timing``, ``storage`` and ``core``.
"""

import pytest

from bench_core.plugin.fixtures import (
    bench_device,
    device_benchmark,
    pytest_pyfunc_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)
from bench_core.plugin.items import add_markers
from bench_core.plugin.options import check_options, pytest_addoption
from bench_core.plugin.storing import (
    load_compared,
    place_storage,
    pytest_benchmark_update_json,
    pytest_sessionfinish,
    pytest_unconfigure,
)
from bench_core.plugin.sweeping import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_runtestloop,
)
from bench_core.plugin.terminal import (
    Lines,
    pytest_report_collectionfinish,
    pytest_report_teststatus,
    pytest_terminal_summary,
)
from bench_core.plugin.turns import become_worker

__all__ = [
    "bench_device",
    "device_benchmark",
    "pytest_addoption",
    "pytest_benchmark_update_json",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "pytest_report_collectionfinish",
    "pytest_report_teststatus",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtestloop",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "pytest_unconfigure",
]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, check the options, and set pytest-benchmark's storage to this machine's folder."""
    add_markers(config)
    become_worker(config)
    check_options(config)
    place_storage(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Register the writer of lines, now that the terminal reporter exists, and read the runs to compare with."""
    session.config.pluginmanager.register(Lines(session.config), "bench_core.lines")
    load_compared(session.config)
