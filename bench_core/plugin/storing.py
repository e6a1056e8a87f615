"""Where a run is stored, its journal, and the runs that it is compared with."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench_core.core.errors import BenchError, OptionError
from bench_core.plugin.options import SESSION

SHOWS_TABLES = ("--benchmark-compare", "--benchmark-columns", "--benchmark-group-by", "--benchmark-sort")
"""Options that ask for pytest-benchmark's tables. A sweep of this suite leaves them out: their "(1.0)" compares the
batch sizes of a workload with each other."""
_COMPARE = pytest.StashKey[Any]()
_ON_SIGTERM = pytest.StashKey[Any]()


def _benchmarks(config: pytest.Config) -> Any:
    """pytest-benchmark's session; ``None`` where that plugin is not active."""
    return getattr(config, "_benchmarksession", None)


def place_storage(config: pytest.Config) -> None:
    """Set pytest-benchmark's storage to this machine's folder, if the project has one, and keep its tables short."""
    results = config.getini("bench_storage")
    if results and hasattr(config.option, "benchmark_quiet"):
        shown = any(str(arg).startswith(SHOWS_TABLES) for arg in config.invocation_params.args)
        config.option.benchmark_quiet |= not shown
    if results and hasattr(config.option, "benchmark_storage"):
        from bench_core.execution.placement import place_storage as place

        try:
            place(config.option, config.rootpath / results, config.rootpath)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
    if hasattr(config.option, "benchmark_compare") and (results or SESSION in config.stash):
        # pytest-benchmark reads the runs to compare with when it is configured: too early for our storage.
        config.stash[_COMPARE], config.option.benchmark_compare = config.option.benchmark_compare, None


def load_compared(config: pytest.Config) -> None:
    """Read the runs to compare with."""
    benchmarks = _benchmarks(config)
    if benchmarks is not None and _COMPARE in config.stash:
        from bench_core.execution.saving import adopt_storage

        adopt_storage(benchmarks)
        config.option.benchmark_compare = benchmarks.compare = config.stash[_COMPARE]
        benchmarks.handle_loading()


def keep_journal(config: pytest.Config) -> None:
    """Keep a journal of a run that will be saved, and let SIGTERM stop it as Ctrl-C does, so that it is saved too."""
    from bench_core.execution.saving import adopt_storage

    run, benchmarks = config.stash[SESSION], _benchmarks(config)
    resume = bool(config.getoption("bench_resume"))
    will_save = _saves(config) and not config.option.collectonly
    storage = adopt_storage(benchmarks) if will_save and benchmarks and not benchmarks.disabled else None
    if storage:
        run.keep_journal(storage.folder, config.rootpath, resume)
    elif resume:
        raise OptionError("--bench-resume: needs --benchmark-autosave or --benchmark-save, and a storage in files")
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        config.stash[_ON_SIGTERM] = signal.signal(signal.SIGTERM, signal.default_int_handler)


def _saves(config: pytest.Config) -> bool:
    return bool(config.getoption("benchmark_save", None) or config.getoption("benchmark_autosave", None))


def stored_runs(config: pytest.Config) -> list[Path]:
    """Where stored runs tell how long cases take: the storage, and the project's reference runs."""
    own = _storage_folder(config)
    return [*([own] if own else ()), *reference_runs(config)]


def reference_runs(config: pytest.Config) -> list[Path]:
    """The folder of the runs that come with the project, if it has one."""
    results = config.getini("bench_storage")
    return [config.rootpath / results / "reference"] if results else []


def _storage_folder(config: pytest.Config) -> Path | None:
    benchmarks = _benchmarks(config)
    path = getattr(getattr(benchmarks, "storage", None), "path", None)
    return path if isinstance(path, Path) else None


def saved_run(config: pytest.Config) -> Path | None:
    """The file of the run that was saved, relative to the current folder if it is below."""
    storage = getattr(_benchmarks(config), "storage", None)
    path = getattr(storage, "saved", None)
    if not isinstance(path, Path):
        return None
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Store the run's own facts next to pytest-benchmark's."""
    session = config.stash.get(SESSION, None)
    if session and session.recorded:
        from bench_core.storage.files import KEY, encode

        output_json[KEY] = encode(session.info(config.rootpath))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
    """Mark a run that was stopped, and end its journal when it is saved."""
    config = session.config
    run, benchmarks = config.stash.get(SESSION, None), _benchmarks(config)
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
    run, terminal = config.stash.get(SESSION, None), config.pluginmanager.get_plugin("terminalreporter")
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
