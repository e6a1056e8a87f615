"""A report of 300 cases: how large its page is, how long it takes to write, and how much later than an empty page it is
loaded in Chromium."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import factory

PrintLine = Callable[[str], None]

ROOT = Path(__file__).parents[2]
CASES, ROUNDS = 300, 9
MEGABYTES, SECONDS, LATER = 8.0, 30.0, 1.5
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LOADED = "return performance.timing.loadEventEnd - performance.timing.navigationStart"


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no Chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def written(folder: Path) -> tuple[Path, int, float, float]:
    """A page of so many cases on both devices, how many they are, and the seconds that the command took: those that
    passed, and those of the CPU."""
    run = factory.large_run(workloads=-(-CASES // 11))
    stored = factory.store(run, folder / "run.json", checksum=True)
    command = [sys.executable, "-m", "bench_core", "report", str(stored), "--out", str(folder / "report")]
    start, before = time.monotonic(), cpu_seconds()
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    return folder / "report" / "index.html", len(run.records), time.monotonic() - start, cpu_seconds() - before


def cpu_seconds() -> float:
    """The CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def loaded(chromium: Any, page: Path) -> float:
    """The seconds from navigating to a page to the end of its load event."""
    chromium.get(page.as_uri())
    return float(chromium.execute_script(LOADED)) / 1e3


def test_page_of_300_cases_is_small_and_fast(chromium: Any, tmp_path: Path, print_line: PrintLine) -> None:
    page, cases, seconds, of_cpu = written(tmp_path)
    empty = tmp_path / "empty.html"
    empty.write_text("<!DOCTYPE html><title>empty</title>", encoding="utf-8")
    for each in (empty, page):
        loaded(chromium, each)
    pairs = [(loaded(chromium, empty), loaded(chromium, page)) for _ in range(ROUNDS)]
    later = statistics.median(of_page - of_empty for of_empty, of_page in pairs)
    megabytes = page.stat().st_size / 1e6
    print_line(
        f"page of {cases} cases: {megabytes:.1f} of {MEGABYTES:.0f} MB, written in {seconds:.1f} of {SECONDS:.0f} s "
        f"({of_cpu:.1f} s of CPU time), "
        f"loaded {later:.2f} s after an empty page, of {LATER} s (median of {ROUNDS} turns)"
    )
    assert cases >= CASES
    assert megabytes <= MEGABYTES
    assert seconds <= SECONDS
    assert later <= LATER
