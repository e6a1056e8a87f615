"""The two fixtures, and what becomes of the tests that use them."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bench_core.core.errors import CaseProcessError, CaseSkipped
from bench_core.core.records import Outcome
from bench_core.plugin.items import case_of, measures, name_of
from bench_core.plugin.options import SESSION, session_of
from bench_core.plugin.turns import TURNS

if TYPE_CHECKING:
    from bench_core.execution.fixture import DeviceBenchmark
    from bench_core.execution.pairing.serving import TurnsBenchmark
    from bench_core.timing.replay import ReplayClock  # noqa: F401 - named in a string below

_CLOCK = pytest.StashKey["ReplayClock"]()
_FIGURE = pytest.StashKey[str]()
_COUNTED = pytest.StashKey[bool]()


def is_ours(metafunc: pytest.Metafunc, fixture: str) -> bool:
    """Whether a fixture is this plugin's, not another one with the same name."""
    definitions = metafunc.definition._fixtureinfo.name2fixturedefs.get(fixture, ())
    return bool(definitions) and definitions[-1].func.__module__ == __name__


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give items with ``device_benchmark`` a replaying timer, in addition to the arguments of their benchmark marker.

    pytest-benchmark reads the closest marker only, so its arguments are copied.
    """
    if not measures(item):
        return
    from bench_core.timing.replay import ReplayClock

    clock = item.stash[_CLOCK] = ReplayClock()
    own = item.get_closest_marker("benchmark")
    case = case_of(item)
    kwargs = {"group": case.workload} if case else {}
    kwargs |= (dict(own.kwargs) if own else {}) | {"timer": clock}
    item.add_marker(pytest.mark.benchmark(**kwargs), append=False)


@pytest.fixture
def bench_device(request: pytest.FixtureRequest) -> str:
    """One of the devices asked for by ``--bench-device`` (all present by default): ``cpu`` or ``cuda``."""
    return str(request.param)


@pytest.fixture
def device_benchmark(request: pytest.FixtureRequest, benchmark: Any) -> DeviceBenchmark | TurnsBenchmark:
    """Measure a step on a device: ``device_benchmark(step, device=bench_device, units=64)``."""
    item = request.node
    if TURNS in request.config.stash:
        from bench_core.execution.pairing.serving import TurnsBenchmark

        worker, benchmark.disabled = request.config.stash[TURNS].worker, True
        return TurnsBenchmark(worker, session_of(request.config), benchmark)
    from bench_core.execution.fixture import DeviceBenchmark

    return DeviceBenchmark(
        test=item.nodeid,
        name=name_of(item) or item.nodeid,
        clock=item.stash[_CLOCK],
        benchmark=benchmark,
        session=session_of(request.config),
        note=partial(_note_figure, item),
    )


def _note_figure(item: pytest.Item, words: str) -> None:
    item.stash[_FIGURE] = words


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """A case that this machine cannot run is a skip with its reason; a crash in another process has no traceback."""
    try:
        return (yield)
    except CaseSkipped as skip:
        pytest.skip(str(skip))
    except CaseProcessError as failure:
        pytest.fail(str(failure), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what was skipped or failed, to be stored with the run, and give each case and study its line."""
    report = yield
    session = item.config.stash.get(SESSION, None)
    name = name_of(item)
    if session and name and (report.failed or report.skipped):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else _first_line(report)
        reason = reason.removeprefix("Skipped: ").removeprefix("Failed: ")
        entry = session.note_not_run(name, Outcome(report.outcome), reason)
        _note_figure(item, f"{entry.outcome}: {entry.reason}")
    if session and name and (report.when == "call" or not report.passed) and _COUNTED not in item.stash:
        item.stash[_COUNTED] = True  # once, though the teardown may fail as well
        figure = item.stash.get(_FIGURE, "passed without a measurement")
        report.bench_line = session.progress_line(name, figure)  # type: ignore[attr-defined]
    return report


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", None) or str(report.longrepr)
    return str(message.splitlines()[0] if message else "no message")
