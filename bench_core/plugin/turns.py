"""A run of pytest as a worker: it collects the tests, then measures what its parent asks for, when it asks for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from bench_core.execution.pairing.protocol import VARIABLE, VERSION, Link, ProtocolError
from bench_core.plugin.items import HARNESS, case_of, measures, study_of
from bench_core.plugin.options import session_of

if TYPE_CHECKING:
    from bench_core.execution.pairing.serving import Worker

TURNS = pytest.StashKey["Turns"]()


def become_worker(config: pytest.Config) -> None:
    """Let this run of pytest obey its parent, if it was started as a worker."""
    link = os.environ.pop(VARIABLE, None)
    if link is not None:
        config.stash[TURNS] = Turns(Link.decode(link))
        config.pluginmanager.register(config.stash[TURNS], "bench_core.turns")
        _alone(config)


def _alone(config: pytest.Config) -> None:
    """Neither store anything nor hand the tests to other processes, whatever the project's own options are."""
    values: dict[str, object] = {
        "benchmark_autosave": False,
        "benchmark_save": None,
        "benchmark_json": None,
        "benchmark_skip": False,
        "bench_resume": None,
        "dist": "no",
        "tx": [],
        "numprocesses": None,
        "timeout": 0,  # pytest-timeout counts the time in which the worker is stopped
    }
    for option, value in values.items():
        if hasattr(config.option, option):
            setattr(config.option, option, value)


class Turns:
    """Hooks of a worker."""

    def __init__(self, link: Link) -> None:
        self._link = link
        for descriptor in (link.reads, link.writes):
            os.set_inheritable(descriptor, False)
        self._worker: Worker | None = None
        self._unknown: list[str] = []
        self._reports: list[pytest.TestReport] = []

    @property
    def worker(self) -> Worker:
        """The worker; made when it is first needed, since it imports torch."""
        if self._worker is None:
            from bench_core.execution.pairing.serving import Worker

            self._worker = Worker(self._link)
        return self._worker

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Iterator[None]:
        """Collect what this side has of the tests: one that the other side adds is no error here."""
        try:
            return (yield)
        except pytest.UsageError:
            items: list[pytest.Item] = []
            for argument in session.config.args:
                try:
                    items += session.perform_collect([argument])
                except pytest.UsageError:
                    self._unknown.append(argument)
            session.items = items
            return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests that the parent opens, until it ends or is gone."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        channel = self.worker.channel
        items = {
            item.nodeid: item
            for item in session.items
            if measures(item) and study_of(item) is None and item.get_closest_marker(HARNESS) is None
        }
        cases = {node: case for node, item in items.items() if (case := case_of(item))}
        names = {node: cases[node].name if node in cases else node for node in items}
        stored = [node for node, case in cases.items() if self.worker.is_stored(case, session_of(session.config))]
        machine = self.worker.machine()
        gc.freeze()  # else each case searches the libraries' objects for garbage, which takes half a second
        hello = {"hello": VERSION, "items": names, "machine": machine, "unknown": self._unknown, "stored": stored}
        channel.send(hello)
        try:
            while asked := channel.receive():
                if asked["open"] in items:
                    self._run(items[asked["open"]], bool(asked["check"]), int(asked["cpu"]))
                else:
                    channel.send({"ended": "failed", "reason": "there is no such test"})
        except ProtocolError:
            pass  # the parent has what it wants
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the reports of the test that runs."""
        self._reports.append(report)

    def _run(self, item: pytest.Item, check: bool, cpu: int) -> None:
        self.worker.begin(check, cpu)
        self._reports.clear()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        outcome, reason = _outcome(self._reports)
        self.worker.channel.send(
            {
                "ended": outcome,
                "reason": reason,
                "memory": self.worker.memory,
                "stray": self.worker.watch.stray(),
            }
        )


def _outcome(reports: list[pytest.TestReport]) -> tuple[str, str]:
    """How a test ended, and why it failed or was skipped."""
    for report in reports:
        if not report.passed:
            if isinstance(report.longrepr, tuple):
                return report.outcome, report.longrepr[2].removeprefix("Skipped: ")
            crash = getattr(report.longrepr, "reprcrash", None)
            lines = str(getattr(crash, "message", report.longrepr)).splitlines()
            return report.outcome, lines[0] if lines else "no message"
    return "passed", ""
