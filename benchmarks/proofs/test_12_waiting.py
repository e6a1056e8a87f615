"""Waiting threads: quiet against one busy neighbor, with the policy that the suite chooses and with torch's default.

Each figure is the median over rounds of fresh processes in turn.
"""

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from waiting import CASES

from bench_core.hardware import waiting

PrintLine = Callable[[str], None]
Medians = dict[str, float]

ROUNDS = 5
QUIET = 0.1
"""Other work on fewer cores counts as none."""
SETTINGS = {"quiet": False, "quiet again": False, "busy, torch's default": True, "busy, as chosen": True}


def environment(chosen: bool, busy_cores: float) -> Mapping[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in waiting.CHOICES}
    if chosen:
        waiting.choose(environ, busy_cores)
    return environ


def measured(environ: Mapping[str, str], busy: bool) -> Medians:
    command = [sys.executable, str(Path(__file__).with_name("waiting.py"))]
    neighbor = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        run = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    finally:
        if neighbor:
            neighbor.kill()
            neighbor.wait()
    medians: Medians = json.loads(run.stdout)
    return medians


@pytest.fixture(scope="module")
def figures() -> dict[str, list[Medians]]:
    if waiting.busy_cores(2.0) > QUIET:
        pytest.skip("other work is running on this machine")
    figures: dict[str, list[Medians]] = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name in random.sample(list(SETTINGS), len(SETTINGS)):
            chosen = "default" not in name
            busy = SETTINGS[name]
            figures[name].append(measured(environment(chosen, 1.0 if busy else 0.0), busy))
    return figures


@pytest.mark.parametrize("case", [f"{name} b{batch}" for name, batch in CASES])
def test_a_busy_neighbor_costs_a_fair_share(
    case: str, figures: dict[str, list[Medians]], print_line: PrintLine
) -> None:
    centers = {name: statistics.median(medians[case] for medians in runs) for name, runs in figures.items()}
    quiet = centers["quiet"]
    ratios = {name: centers[name] / quiet for name in SETTINGS if name != "quiet"}
    worst = max(medians[case] for medians in figures["busy, torch's default"]) / quiet
    print_line(
        f"{case}: quiet {1e3 * quiet:.3g} ms; "
        + "; ".join(f"{name} {ratio:.2f} times" for name, ratio in ratios.items())
        + f" (at worst {worst:.1f})"
    )
    assert ratios["busy, as chosen"] <= 3.0


def test_on_a_quiet_machine_nothing_is_chosen() -> None:
    assert environment(chosen=True, busy_cores=0.0) == environment(chosen=False, busy_cores=0.0)
