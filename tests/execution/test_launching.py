"""Which rank failed first, from what the launcher and the ranks report."""

import signal

import pytest

from bench_core.core.case import Case, Effort
from bench_core.core.errors import CaseSkipped
from bench_core.execution import rank
from bench_core.execution.launching import GRACE, Exit, Report, failed_first
from bench_core.execution.worker import Task

KILLED, ENDED = Exit(-signal.SIGKILL, 100), Exit(-signal.SIGTERM, 101)
AT_ONCE = Report(100.5, waited=False)


@pytest.mark.parametrize(
    ("exits", "reports", "first"),
    [
        ({1: KILLED, 0: Exit(1, 100)}, {0: AT_ONCE}, "rank 1 of 2: killed (SIGKILL); "),
        ({1: KILLED, 0: ENDED}, {}, "rank 1 of 2: killed (SIGKILL); "),
        ({0: Exit(-signal.SIGSEGV, 99), 1: Exit(1, 100)}, {1: AT_ONCE}, "rank 0 of 2: crashed: segmentation fault"),
        ({0: Exit(3, 99), 1: ENDED}, {}, "rank 0 of 2: crashed: its process ended with exit code 3"),
        ({0: Exit(1, 100), 1: Exit(1, 100)}, {0: Report(100.6, waited=False), 1: AT_ONCE}, 1),
        ({0: Exit(1, 100), 1: Exit(1, 100)}, {0: AT_ONCE, 1: Report(100.6, waited=False)}, 0),
        ({1: Exit(1, 100), 0: ENDED}, {1: AT_ONCE}, 1),
        ({0: Exit(1, 100), 1: Exit(-signal.SIGKILL, 101 + GRACE)}, {0: AT_ONCE}, 0),
        (
            {0: Exit(1, 100), 1: Exit(-signal.SIGKILL, 101 + GRACE)},
            {0: Report(100.5, waited=True)},
            "rank 1 of 2 did not answer in time",
        ),
        ({0: Exit(1, 100), 1: Exit(1, 100)}, {0: Report(100.5, waited=True), 1: Report(100.4, waited=True)}, 1),
        ({}, {}, "its ranks ended without a result"),
    ],
    ids=[
        "killed", "killed-before-the-other-reports", "segfault", "exits", "second-fails-first", "first-fails-first",
        "other-is-ended", "other-ignores-that", "hangs", "all-wait", "nothing",
    ],
)  # fmt: skip
def test_what_came_first_is_the_reason(exits, reports, first):
    found = failed_first(2, exits, reports)
    assert found == first if isinstance(first, int) else str(found).startswith(first)


@pytest.mark.parametrize(
    ("error", "waited"), [(RuntimeError("timed out"), True), (CaseSkipped("out of memory"), False)]
)
def test_a_rank_whose_case_is_a_skip_has_not_waited_for_another(monkeypatch, error, waited):
    def fail(device_type, patience):
        raise error

    monkeypatch.setattr(rank, "join", fail)
    failure = rank.reply_of(Task("module", Case("all_reduce", ranks=2), Effort(), patience=0.0)).failure
    assert failure
    assert failure.message.endswith(str(error))
    assert failure.waited == waited
