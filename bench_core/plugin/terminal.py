"""What a run says in the terminal."""

from __future__ import annotations

import textwrap

import pytest

from bench_core.plugin.options import SESSION
from bench_core.plugin.storing import saved_run


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Before the sweep: the number of cases, the time to expect, and what will not be run."""
    if SESSION not in config.stash:
        return []
    from bench_core.execution.messages import opening

    return [
        wrapped(config, f"bench-core: {line}")
        for line in opening(config.stash[SESSION], only=config.option.collectonly)
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """No dot for a case or study, which has a line instead: see ``Lines``."""
    return (report.outcome, "", "") if hasattr(report, "bench_line") else None


class Lines:
    """Writes the line of each case when it is done; registered when the terminal reporter exists."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the case's line: its result, or why there is none, and the time left."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and hasattr(report, "bench_line"):
            terminal.write(f"\n{report.bench_line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was not run, with the reason, and the warnings."""
    session = config.stash.get(SESSION, None)
    if session is None or config.option.collectonly:
        return
    from bench_core.execution.messages import closing

    lines = closing(session, saved_run(config))
    if lines:
        terminalreporter.section("bench-core")
        for line in lines:
            terminalreporter.write_line(wrapped(config, line))


def wrapped(config: pytest.Config, line: str) -> str:
    """A line broken at the width of the terminal, the further lines indented; whole where the output is no terminal."""
    writer = config.get_terminal_writer()
    if not writer.hasmarkup:
        return line
    return textwrap.fill(line, max(40, writer.fullwidth), subsequent_indent="    ", break_on_hyphens=False)
