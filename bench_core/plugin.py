"""The pytest plugin: options, the sweep, the two fixtures, and what is stored of a run.

Harmless where it is not used: every option begins with ``--bench-``; torch is imported only when a fixture, a marker or
an option of this plugin is used; the storage folder changes only where the ini option ``bench_storage`` is set.
"""

from __future__ import annotations

import math
import shlex
import signal
import sys
import textwrap
import threading
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bench_core.core.case import CACHES, DTYPES, SWEEPS, VARIANTS, Case, Effort
from bench_core.core.errors import BenchError, CaseProcessError, CaseSkipped, OptionError
from bench_core.core.records import Outcome
from bench_core.core.studies import STUDIES

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
    ("budget", "MINUTES", "End the sweep within this time. Default: none; every case gets the time it needs."),
    ("study", "NAME,...", f"Studies: {', '.join(STUDIES)}. Default: those of a sweep of everything."),
    ("data", "DIR", "Folder with real data sets: MNIST as torchvision stores it. Default: digits stand-in."),
    ("weights", "DIR", "Folder with torchvision's weights, such as resnet50-*.pth. Default: random weights."),
    (
        "timeout",
        "SECONDS",
        "Like --bench-isolate, and end the process of a case after so many seconds. Default: no limit.",
    ),
    (
        "sweep",
        "|".join(SWEEPS),
        f"How much to measure; full: all settings and batches, heavy too. Default: {SWEEPS[0]}.",
    ),
)
SHOWS_TABLES = ("--benchmark-compare", "--benchmark-columns", "--benchmark-group-by", "--benchmark-sort")
"""Options that ask for pytest-benchmark's tables. A sweep of this suite leaves them out: their "(1.0)" compares the
batch sizes of a workload with each other."""
FLAGS = (
    ("isolate", "Measure each case of a workload in a process of its own, so that a crash fails one case."),
    ("resume", "Continue the newest unfinished run; what it measured is taken from its journal."),
)
"""Options without a value."""
_GIVEN = pytest.StashKey[Mapping[str, str]]()
_SESSION = pytest.StashKey["BenchSession"]()
_CLOCK = pytest.StashKey["ReplayClock"]()
_FIGURE = pytest.StashKey[str]()
_COUNTED = pytest.StashKey[bool]()
_COMPARE = pytest.StashKey[Any]()
_ON_SIGTERM = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the sweep, in a group of their own."""
    group = parser.getgroup("bench-core", "CPU-vs-GPU benchmarks (bench-core)")
    for name, metavar, text in OPTIONS:
        group.addoption(f"--bench-{name}", metavar=metavar, default=None, help=text)
    for name, text in FLAGS:
        group.addoption(f"--bench-{name}", action="store_const", const="yes", default=None, help=text)
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
    names = [name.replace("-", "_") for name, *_ in (*OPTIONS, *FLAGS)]
    given = {name: value for name in names if (value := config.getoption(f"bench_{name}", None)) is not None}
    config.stash[_GIVEN] = given
    if given:
        _session(config)
    results = config.getini("bench_storage")
    if results and hasattr(config.option, "benchmark_quiet"):
        shown = any(str(arg).startswith(SHOWS_TABLES) for arg in config.invocation_params.args)
        config.option.benchmark_quiet |= not shown
    if results and hasattr(config.option, "benchmark_storage"):
        from bench_core.execution.placement import place_storage

        try:
            place_storage(config.option, config.rootpath / results, config.rootpath)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
    if hasattr(config.option, "benchmark_compare") and (results or _SESSION in config.stash):
        # pytest-benchmark reads the runs to compare with when it is configured: too early for our storage.
        config.stash[_COMPARE], config.option.benchmark_compare = config.option.benchmark_compare, None


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
            cases = _session(metafunc.config).selection.cases_of(*map(str, marker.args))
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
    """Leave out checks of the harness, unless their file is named, families without a case to run, and studies that
    were not asked for; put studies after the cases. A request that leaves nothing to measure is an error."""
    named = {Path(str(arg).partition("::")[0]).name for arg in config.invocation_params.args}

    def left_out(item: pytest.Item) -> bool:
        if item.get_closest_marker(HARNESS):
            return item.path.name not in named
        study = _study_of(item)
        if study:
            return not _session(config).selection.takes_study(study.name, study.workload, study.sweep)
        return item.get_closest_marker(FAMILY) is not None and _case_of(item) is None

    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (dropped if left_out(item) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda item: _study_of(item) is not None)
    if not kept and any(item.get_closest_marker(FAMILY) for item in dropped):
        reasons = "; ".join(f"{entry.what}: {entry.reason}" for entry in _session(config).not_run)
        raise pytest.UsageError(f"these options leave nothing to measure: {reasons or 'no case matches'}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan the run before the terminal reports the collection, now that the selection is known."""
    if _SESSION in session.config.stash:
        cases = [case for item in session.items if (case := _case_of(item))]
        studies = {_study_item(item, study): study.seconds for item in session.items if (study := _study_of(item))}
        others = sum(_measures(item) and _name_of(item) is None for item in session.items)
        try:
            run = session.config.stash[_SESSION]
            run.plan(cases, others, _stored(session.config), studies)
            _keep_journal(session.config)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
        session.items.sort(key=lambda item: math.inf if _study_of(item) else run.schedule.weight(_name_of(item) or ""))


def _keep_journal(config: pytest.Config) -> None:
    """Keep a journal of a run that will be saved, and let SIGTERM stop it as Ctrl-C does, so that it is saved too."""
    from bench_core.execution.saving import adopt_storage

    run, benchmarks = config.stash[_SESSION], getattr(config, "_benchmarksession", None)
    resume = bool(config.getoption("bench_resume"))
    saves = _saves(config) and not config.option.collectonly
    storage = adopt_storage(benchmarks) if saves and benchmarks and not benchmarks.disabled else None
    if storage:
        run.keep_journal(storage.folder, config.rootpath, resume)
    elif resume:
        raise OptionError("--bench-resume: needs --benchmark-autosave or --benchmark-save, and a storage in files")
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        config.stash[_ON_SIGTERM] = signal.signal(signal.SIGTERM, signal.default_int_handler)


def _saves(config: pytest.Config) -> bool:
    return bool(config.getoption("benchmark_save", None) or config.getoption("benchmark_autosave", None))


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Before the sweep: the number of cases, the time to expect, and what will not be run."""
    if _SESSION not in config.stash:
        return []
    from bench_core.execution.messages import opening

    return [_wrapped(config, f"bench-core: {line}") for line in opening(config.stash[_SESSION])]


def _stored(config: pytest.Config) -> list[Path]:
    """Where stored runs tell how long cases take: the storage, and the project's reference runs."""
    own, results = _storage_folder(config), config.getini("bench_storage")
    return [folder for folder in (own, results and config.rootpath / results / "reference") if folder]


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
    session = item.config.stash.get(_SESSION, None)
    name = _name_of(item)
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
    """Register the writer of lines, and read the runs to compare with."""
    config = session.config
    config.pluginmanager.register(_Lines(config), "bench_core.lines")
    benchmarks = getattr(config, "_benchmarksession", None)
    if benchmarks is not None and _COMPARE in config.stash:
        from bench_core.execution.saving import adopt_storage

        adopt_storage(benchmarks)
        config.option.benchmark_compare = benchmarks.compare = config.stash[_COMPARE]
        benchmarks.handle_loading()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After all tests, measure again what met contention or lacked time, while there is time."""
    result = yield
    run = session.config.stash.get(_SESSION, None)
    if run and run.measured:
        from bench_core.execution.refining import refine

        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in refine(run):
            if terminal is not None:
                terminal.write(f"\n{line}")
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Store the run's own facts next to pytest-benchmark's."""
    session = config.stash.get(_SESSION, None)
    if session and session.recorded:
        from bench_core.storage.files import KEY, encode

        output_json[KEY] = encode(session.info(config.rootpath))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
    """Mark a run that was stopped, and end its journal when it is saved."""
    config = session.config
    run, benchmarks = config.stash.get(_SESSION, None), getattr(config, "_benchmarksession", None)
    if run is None or benchmarks is None:
        return (yield)
    from bench_core.execution.saving import adopt_storage

    run.stopped = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    storage = adopt_storage(benchmarks)
    if run.journal:
        run.journal.note_finish(run.partial)
    try:
        return (yield)
    finally:
        run.end_journal(saved=storage is not None and storage.saved is not None)
        if storage and storage.problem and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if _ON_SIGTERM in config.stash:
            signal.signal(signal.SIGTERM, config.stash[_ON_SIGTERM])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """As the last line, the command that continues an unfinished run, or that stores one that could not be saved."""
    run, terminal = config.stash.get(_SESSION, None), config.pluginmanager.get_plugin("terminalreporter")
    if run is None or run.journal is None or terminal is None:
        return
    if run.partial:
        terminal.write_line(f"Continue this run with: {_resuming(config.invocation_params.args)}")
    else:
        terminal.write_line(f"Store this run with: bench-core recover {shlex.quote(str(run.journal.path))}")


def _resuming(arguments: Sequence[str]) -> str:
    """The command that continues a run of pytest with these arguments."""
    begin = ["python", "-m", "pytest"] if Path(sys.argv[0]).name == "__main__.py" else ["pytest"]
    return shlex.join([*begin, *(word for word in map(str, arguments) if word != "--bench-resume"), "--bench-resume"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was not run, with the reason, and the warnings."""
    session = config.stash.get(_SESSION, None)
    if session is None or config.option.collectonly:
        return
    from bench_core.execution.messages import closing

    lines = closing(session)
    if lines:
        terminalreporter.section("bench-core")
        for line in lines:
            terminalreporter.write_line(_wrapped(config, line))


def _wrapped(config: pytest.Config, line: str) -> str:
    """A line broken at the width of the terminal, the further lines indented; whole where the output is no terminal."""
    writer = config.get_terminal_writer()
    if not writer.hasmarkup:
        return line
    return textwrap.fill(line, max(40, writer.fullwidth), subsequent_indent="    ", break_on_hyphens=False)
