"""The sweep: which tests are run, in which order, and which are measured again."""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench_core.core.errors import BenchError
from bench_core.plugin.fixtures import is_ours
from bench_core.plugin.items import FAMILY, HARNESS, case_of, measures, name_of, study_item, study_of
from bench_core.plugin.options import SESSION, session_of
from bench_core.plugin.storing import keep_journal, reference_runs, stored_runs

if TYPE_CHECKING:
    from bench_core.core.case import Case
    from bench_core.execution.session import BenchSession


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize ``case`` over the cases of the marker's family, and ``bench_device`` over the requested devices."""
    marker = metafunc.definition.get_closest_marker(FAMILY)
    if marker and "case" in metafunc.fixturenames:
        try:
            cases = session_of(metafunc.config).selection.cases_of(*map(str, marker.args))
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])
    if "bench_device" in metafunc.fixturenames and is_ours(metafunc, "bench_device"):
        metafunc.parametrize("bench_device", session_of(metafunc.config).request.sweep.devices, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out checks of the harness, unless their file is named, families without a case to run, and studies that
    were not asked for; put studies after the cases. A request that leaves nothing to measure is an error."""
    named = {Path(str(arg).partition("::")[0]).name for arg in config.invocation_params.args}

    def left_out(item: pytest.Item) -> bool:
        if item.get_closest_marker(HARNESS):
            return item.path.name not in named
        study = study_of(item)
        if study:
            return not session_of(config).selection.takes_study(study.name, study.workload, study.sweep)
        return item.get_closest_marker(FAMILY) is not None and case_of(item) is None

    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        (dropped if left_out(item) else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = sorted(kept, key=lambda item: study_of(item) is not None)
    if not kept and any(item.get_closest_marker(FAMILY) for item in dropped):
        reasons = "; ".join(f"{entry.what}: {entry.reason}" for entry in session_of(config).not_run)
        raise pytest.UsageError(f"these options leave nothing to measure: {reasons or 'no case matches'}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan the run before the terminal reports the collection, now that the selection is known."""
    if SESSION in session.config.stash:
        run = session.config.stash[SESSION]
        try:
            if run.request.shard:
                _keep_shard(session, run)
            others = sum(_is_user_test(item) for item in session.items)
            run.plan(_cases(session), others, stored_runs(session.config), _studies(session))
            keep_journal(session.config)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
        session.items.sort(key=partial(_place, run))


def _cases(session: pytest.Session) -> list[Case]:
    return [case for item in session.items if (case := case_of(item))]


def _studies(session: pytest.Session) -> dict[str, float]:
    """The studies to come, with their expected seconds."""
    return {study_item(item, study): study.seconds for item in session.items if (study := study_of(item))}


def _is_user_test(item: pytest.Item) -> bool:
    return measures(item) and name_of(item) is None


def _keep_shard(session: pytest.Session, run: BenchSession) -> None:
    """Leave out what other machines measure; a test that measures nothing belongs to every shard."""
    user_tests = [item.nodeid for item in session.items if _is_user_test(item)]
    reference = reference_runs(session.config)
    mine = set(run.selection.take_shard(_cases(session), user_tests, _studies(session), reference))
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in session.items:
        belongs = not measures(item) or (name_of(item) or item.nodeid) in mine
        (kept if belongs else left).append(item)
    session.config.hook.pytest_deselected(items=left)
    session.items[:] = kept


def _place(run: BenchSession, item: pytest.Item) -> float:
    """Where an item comes: the cheapest case first; studies before all cases or after them."""
    study = study_of(item)
    if study:
        return -math.inf if study.first else math.inf
    return run.schedule.weight(name_of(item) or "")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After all tests, measure again what met contention or lacked time, while there is time."""
    result = yield
    run = session.config.stash.get(SESSION, None)
    if run and run.measured:
        from bench_core.execution.refining import refine

        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in refine(run):
            if terminal is not None:
                terminal.write(f"\n{line}")
    return result
