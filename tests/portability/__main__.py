"""``python -m tests.portability [--short] [SETTING ...]``: run the tests, a sweep and the report in every setting.

Prints one line for each setting. Exits with 1 if one failed, with 130 if interrupted. A setting that cannot be had on
this machine is skipped with the reason.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.portability import outcome, terminal
from tests.portability.outcome import Outcome
from tests.portability.place import Place, UnavailableError, prepared
from tests.portability.settings import SETTINGS, Setting
from tests.portability.steps import Plan, Step, suite

LOGS = Path("build") / "portability"
LIMIT = 3 * 3600.0
"""Seconds after which a step is ended."""


def main(arguments: Sequence[str], settings: Sequence[Setting] = SETTINGS, plan: Plan | None = None) -> int:
    """The exit code of the command line; ``plan`` replaces the steps that are run in each setting."""
    asked = _parser(settings).parse_args(arguments)
    chosen = asked.setting or settings
    if asked.list:
        for setting in chosen:
            print(f"{setting.name:<13s} {setting.about}")
        return 0
    plan = plan or partial(suite, short=asked.short, jobs=asked.jobs)
    asked.logs.mkdir(parents=True, exist_ok=True)
    fine = True
    try:
        for number, setting in enumerate(chosen, 1):
            fine &= run_setting(setting, plan, asked.logs, f"[{number}/{len(chosen)}]")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0 if fine else 1


def _parser(settings: Sequence[Setting]) -> argparse.ArgumentParser:
    by_name = {setting.name: setting for setting in settings}

    def known(name: str) -> Setting:
        if name not in by_name:
            raise argparse.ArgumentTypeError(f"no setting {name!r}; there are: {', '.join(by_name)}")
        return by_name[name]

    parser = argparse.ArgumentParser(prog="python -m tests.portability", description="Does the suite work anywhere?")
    parser.add_argument("setting", nargs="*", type=known, help="default: all; --list shows them")
    parser.add_argument("--short", action="store_true", help="few tests and a short sweep: minutes, not hours")
    parser.add_argument("--list", action="store_true", help="list the settings")
    parser.add_argument("--jobs", default="logical", help="processes for the tests (default: as many as CPUs, up to 4)")
    parser.add_argument("--logs", type=Path, default=LOGS, help=f"folder for the output (default: {LOGS})")
    return parser


def run_setting(setting: Setting, plan: Plan, logs: Path, position: str) -> bool:
    """Run a plan in a setting and print the setting's line. Whether nothing failed."""
    log = (logs / f"{setting.name}.log").resolve()
    log.write_bytes(b"")
    try:
        with prepared(setting) as place:
            outcomes = [_run(setting, place, step, log, position) for step in place.install]
            if not any(each.code for each in outcomes):
                outcomes += [_run(setting, place, step, log, position) for step in plan(place.python, place.out)]
    except UnavailableError as reason:
        print(outcome.skipped(setting.name, reason), flush=True)
        return True
    print(outcome.line(setting.name, outcomes, log), flush=True)
    return not any(each.code for each in outcomes)


def _run(setting: Setting, place: Place, step: Step, log: Path, position: str) -> Outcome:
    print(f"{position} {setting.name}: {step.name}", file=sys.stderr, flush=True)
    start = time.monotonic()
    command = (*place.wrapper, *step.command)
    code = terminal.run(command, place.root, place.environment, log, setting.columns, LIMIT)
    return Outcome(step.name, code, time.monotonic() - start, outcome.read_counts(step.counts))


if __name__ == "__main__":
    # Ended from outside, it ends what it started and deletes what it made, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
