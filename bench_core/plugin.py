"""The pytest plugin: options, the sweep, the two fixtures, and what is stored of a run.

Harmless where it is not used: every option begins with ``--bench-``; torch is imported only when a fixture, a marker or
an option of this plugin is used; the storage folder changes only where the ini option ``bench_storage`` is set.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bench_core.core.case import CACHES, DTYPES, SWEEPS, VARIANTS, Case, Effort
from bench_core.core.errors import BenchError, CaseSkipped
from bench_core.core.records import Outcome

if TYPE_CHECKING:
    from bench_core.execution.fixture import DeviceBenchmark
    from bench_core.execution.session import BenchSession
    from bench_core.timing.replay import ReplayClock  # noqa: F401 - named in a string below

FAMILY = "bench_family"
HARNESS = "bench_harness"
STUDY = "bench_study"
OPTIONS = (
    ("device", "cpu,cuda", "Devices to measure on. Default: all that are present."),
    ("batch-size", "1,64", "Batch sizes. Default: each workload's own."),
    ("dtype", "fp32,bf16", f"Number formats: {', '.join(DTYPES)}. Default: {DTYPES[0]}."),
    ("variant", "eager,...", f"Variants: {', '.join(VARIANTS)}, or several joined by '+'. Default: {VARIANTS[0]}."),
    ("caches", "|".join(CACHES), "Keep inputs in the cache, or rotate over so many that none is in it. Default: hot."),
    ("workload", "NAME,...", "Workloads. Default: all; `bench-core list` shows them."),
    ("threads", "1,2", "CPU threads. Default: all usable cores, and one thread at each reference batch."),
    ("rel-ci", f"{Effort.rel_ci}", f"Target half-width of the median's interval, relative. Default: {Effort.rel_ci}."),
    ("max-time", "SECONDS", f"Seconds of samples per case (heavy workloads: 8 times). Default: {Effort.max_time:g}."),
    ("data", "DIR", "Folder with real data sets: MNIST as torchvision stores it. Default: digits stand-in."),
    (
        "sweep",
        "|".join(SWEEPS),
        f"How much to measure; full: all settings and batches, heavy too. Default: {SWEEPS[0]}.",
    ),
)
_GIVEN = pytest.StashKey[Mapping[str, str]]()
_SESSION = pytest.StashKey["BenchSession"]()
_CLOCK = pytest.StashKey["ReplayClock"]()
_FIGURE = pytest.StashKey[str]()
_COUNTED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the sweep, in a group of their own."""
    group = parser.getgroup("bench-core", "CPU-vs-GPU benchmarks (bench-core)")
    for name, metavar, text in OPTIONS:
        group.addoption(f"--bench-{name}", metavar=metavar, default=None, help=text)
    parser.addini("bench_storage", "Folder for stored runs, one folder per machine in it (bench-core).", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, check the options, and set pytest-benchmark's storage to this machine's folder."""
    config.addinivalue_line(
        "markers",
        f"{FAMILY}(name): sweep `case` over the workloads of a family, or of all without a name (bench-core).",
    )
    config.addinivalue_line("markers", f"{HARNESS}: a check of the harness itself, run only when its file is named.")
    config.addinivalue_line(
        "markers",
        f"{STUDY}(name, workload, seconds, sweep='default'): a study of a workload, which takes about so many seconds, "
        "in every sweep or with sweep='full' in a full one only (bench-core).",
    )
    names = [name.replace("-", "_") for name, _, _ in OPTIONS]
    given = {name: value for name in names if (value := config.getoption(f"bench_{name}", None)) is not None}
    config.stash[_GIVEN] = given
    if given:
        _session(config)
    results = config.getini("bench_storage")
    if results and hasattr(config.option, "benchmark_storage"):
        from bench_core.execution.placement import place_storage

        try:
            place_storage(config.option, config.rootpath / results, config.rootpath)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None


def _session(config: pytest.Config) -> BenchSession:
    """The session's state, created when first needed, since it imports torch; bad options end the run here."""
    if _SESSION not in config.stash:
        from bench_core.core import text
        from bench_core.execution.options import parse
        from bench_core.execution.session import BenchSession

        text.make_writable(sys.__stdout__)  # pytest would escape a whole line, its end too
        try:
            config.stash[_SESSION] = BenchSession(parse(config.stash[_GIVEN], config.invocation_params.dir))
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_SESSION]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize ``case`` over the cases of the marker's family, and ``bench_device`` over the requested devices."""
    marker = metafunc.definition.get_closest_marker(FAMILY)
    if marker and "case" in metafunc.fixturenames:
        try:
            cases = _session(metafunc.config).cases_of(*map(str, marker.args))
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])
    if "bench_device" in metafunc.fixturenames and _is_ours(metafunc, "bench_device"):
        metafunc.parametrize("bench_device", _session(metafunc.config).request.sweep.devices, indirect=True)


def _is_ours(metafunc: pytest.Metafunc, fixture: str) -> bool:
    """Whether a fixture is this plugin's, not another one with the same name."""
    definitions = metafunc.definition._fixtureinfo.name2fixturedefs.get(fixture, ())
    return bool(definitions) and definitions[-1].func.__module__ == __name__


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out checks of the harness, unless their file is named, families without a case to run, and studies of
    workloads or sweeps that were not asked for; put studies after the cases."""
    named = {Path(str(arg).partition("::")[0]).name for arg in config.invocation_params.args}

    def left_out(item: pytest.Item) -> bool:
        if item.get_closest_marker(HARNESS):
            return item.path.name not in named
        study = _study_of(item)
        if study:
            return not _session(config).takes_study(study.name, study.workload, study.sweep)
        return item.get_closest_marker(FAMILY) is not None and _case_of(item) is None

    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (dropped if left_out(item) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda item: _study_of(item) is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan the run before the terminal reports the collection, now that the selection is known."""
    if _SESSION in session.config.stash:
        cases = [case for item in session.items if (case := _case_of(item))]
        studies = {_study_item(item, study): study.seconds for item in session.items if (study := _study_of(item))}
        others = sum(_measures(item) and _name_of(item) is None for item in session.items)
        try:
            session.config.stash[_SESSION].plan(cases, others, _storage_folder(session.config), studies)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Before the sweep: the number of cases, the time to expect, and what will not be run."""
    return config.stash[_SESSION].opening_lines() if _SESSION in config.stash else []


def _storage_folder(config: pytest.Config) -> Path | None:
    benchmarks = getattr(config, "_benchmarksession", None)
    path = getattr(getattr(benchmarks, "storage", None), "path", None)
    return path if isinstance(path, Path) else None


class _Study(NamedTuple):
    """The arguments of the marker of a study."""

    name: str
    workload: str
    seconds: float
    sweep: str = SWEEPS[0]


def _study_of(item: pytest.Item) -> _Study | None:
    marker = item.get_closest_marker(STUDY)
    return _Study(*marker.args, **marker.kwargs) if marker else None


def _study_item(item: pytest.Item, study: _Study) -> str:
    """The name of what a test of a study measures, such as ``ladder-cpu``: the study, its parameters, the device."""
    others = _params(item)
    device = others.pop("bench_device", None)
    parts = (study.name, *others.values(), *([device] if device else []))
    return "-".join(map(str, parts))


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def _case_of(item: pytest.Item) -> Case | None:
    case = _params(item).get("case")
    return case if isinstance(case, Case) else None


def _name_of(item: pytest.Item) -> str | None:
    """The name of an item's case or study."""
    case, study = _case_of(item), _study_of(item)
    if case:
        return case.id
    return _study_item(item, study) if study else None


def _measures(item: pytest.Item) -> bool:
    return "device_benchmark" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give items with ``device_benchmark`` a replaying timer, in addition to the arguments of their benchmark marker.

    pytest-benchmark reads the closest marker only, so its arguments are copied.
    """
    if not _measures(item):
        return
    from bench_core.timing.replay import ReplayClock

    clock = item.stash[_CLOCK] = ReplayClock()
    own = item.get_closest_marker("benchmark")
    case = _case_of(item)
    kwargs = {"group": case.workload} if case else {}
    kwargs |= dict(own.kwargs) if own else {}
    item.add_marker(pytest.mark.benchmark(**kwargs, timer=clock), append=False)


@pytest.fixture
def bench_device(request: pytest.FixtureRequest) -> str:
    """One of the devices asked for by ``--bench-device`` (all present by default): ``cpu`` or ``cuda``."""
    return str(request.param)


@pytest.fixture
def device_benchmark(request: pytest.FixtureRequest, benchmark: Any) -> DeviceBenchmark:
    """Measure a step on a device: ``device_benchmark(step, device=bench_device, units=64)``."""
    from bench_core.execution.fixture import DeviceBenchmark

    item = request.node
    return DeviceBenchmark(
        test=item.nodeid,
        name=_name_of(item) or item.nodeid,
        clock=item.stash[_CLOCK],
        benchmark=benchmark,
        session=_session(request.config),
        note=partial(_note_figure, item),
    )


def _note_figure(item: pytest.Item, words: str) -> None:
    item.stash[_FIGURE] = words


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """A case that this machine cannot run is a skip with its reason."""
    try:
        return (yield)
    except CaseSkipped as skip:
        pytest.skip(str(skip))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what was skipped or failed, to be stored with the run, and give each case and study its line."""
    report = yield
    session = item.config.stash.get(_SESSION, None)
    name = _name_of(item)
    if session and name and (report.failed or report.skipped):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else _first_line(report)
        reason = reason.removeprefix("Skipped: ")
        session.note_not_run(name, Outcome(report.outcome), reason)
        _note_figure(item, f"{report.outcome}: {reason}")
    if session and name and (report.when == "call" or not report.passed) and _COUNTED not in item.stash:
        item.stash[_COUNTED] = True  # once, though the teardown may fail as well
        figure = item.stash.get(_FIGURE, "passed without a measurement")
        report.bench_line = session.progress_line(name, figure)  # type: ignore[attr-defined]
    return report


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", None) or str(report.longrepr)
    return str(message.splitlines()[0] if message else "no message")


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """No dot for a case or study, which has a line instead: see ``_Lines``."""
    return (report.outcome, "", "") if hasattr(report, "bench_line") else None


class _Lines:
    """Writes the line of each case when it is done; registered when the terminal reporter exists."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the case's line: its result, or why there is none, and the time left."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and hasattr(report, "bench_line"):
            terminal.write(f"\n{report.bench_line}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Register the writer of lines."""
    session.config.pluginmanager.register(_Lines(session.config), "bench_core.lines")


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Store the run's own facts next to pytest-benchmark's."""
    session = config.stash.get(_SESSION, None)
    if session and session.recorded:
        from bench_core.storage.files import KEY, encode

        output_json[KEY] = encode(session.info(config.rootpath))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
    """Mark a run that was stopped, and let one process at a time save in a folder."""
    config = session.config
    run, folder = config.stash.get(_SESSION, None), _storage_folder(config)
    if run is None:
        return (yield)
    run.stopped = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    saves = config.getoption("benchmark_save", None) or config.getoption("benchmark_autosave", None)
    if folder is None or not run.recorded or not saves:
        return (yield)
    from bench_core.storage.folder import locked

    with locked(folder):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was not run, with the reason, and the warnings."""
    session = config.stash.get(_SESSION, None)
    if session is None or config.option.collectonly:
        return
    lines = session.closing_lines()
    if lines:
        terminalreporter.section("bench-core")
        for line in lines:
            terminalreporter.write_line(line)
