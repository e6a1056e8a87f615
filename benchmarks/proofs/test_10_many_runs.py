"""Many stored runs: reading with all checks compared with json.loads alone, and the time to a history of many runs.

``MANY_RUNS`` sets the number of runs of the history, each of 200 cases; 10,000 of them take 5 GB of disk and minutes.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench_core.core import stats
from bench_core.core.case import Case
from bench_core.core.records import Run
from bench_core.storage import files
from tests.support import factory

PrintLine = Callable[[str], None]

ROOT = Path(__file__).parents[2]
RUNS = int(os.environ.get("MANY_RUNS", "500"))
CASES, FEW, FULL = 200, 2, 10_000
SECONDS, MEMORY = 5.0, 2**30
"""What the history of ``FULL`` runs may take, if one of them is new."""
SAMPLES = {"few samples": 10, "usual": 60, "most that are stored": 256}
ROUNDS = 30

INDEX = """
import resource, sys, time
from pathlib import Path
from bench_core.storage.index import index
start = time.perf_counter()
history = index([Path(sys.argv[1])])
seconds = time.perf_counter() - start
assert not history.notes, history.notes
print(len(history.runs), len(history.records), seconds, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Indexed:
    """What a process needed for a history: seconds, and at most so many bytes."""

    runs: int
    records: int
    seconds: float
    peak: int


def large(samples: int) -> Run:
    """A run of 200 cases, with the texts and figures of a real one."""
    golden = files.load(ROOT / "tests" / "data" / "runs" / "schema_2.json")
    records = [
        replace(
            golden.records[i % len(golden.records)],
            case=Case(f"workload_{i}", batch_size=2 ** (i % 10)),
            timing=factory.timing(1e-4 * (1 + i), samples, seed=i),
        )
        for i in range(CASES)
    ]
    return replace(golden, records=tuple(records))


def stored(run: Run) -> str:
    """A run as pytest-benchmark stores it, with its own figures of each case."""
    document = factory.document(run)
    for bench in document["benchmarks"]:
        bench["options"] = {"disable_gc": False, "timer": "bench_core.replay", "min_rounds": 5, "max_time": 1.0}
        bench["stats"] |= {f"figure_{i}": 1.0 / (7 + i) for i in range(14)} | {"outliers": "3;0"}
    return json.dumps(document, indent=4)


@pytest.mark.parametrize("kind", SAMPLES)
def test_reading_with_all_checks_takes_little_longer_than_json_alone(
    kind: str, tmp_path: Path, print_line: PrintLine
) -> None:
    path = tmp_path / "0001_run.json"
    path.write_text(stored(large(SAMPLES[kind])), encoding="utf-8")

    def python() -> object:
        return json.loads(path.read_text(encoding="utf-8"))

    def ours() -> object:
        return files.load(path)

    times: dict[Callable[[], object], list[float]] = {python: [], ours: []}
    for _ in range(ROUNDS):
        for read in (python, ours, ours, python):
            start = time.process_time()
            read()
            times[read].append(time.process_time() - start)
    ratios = [a / b for a, b in zip(times[python], times[ours], strict=True)]
    speed, interval = stats.median(ratios), stats.median_interval(ratios)
    assert interval is not None
    print_line(
        f"reading a run of {CASES} cases, {kind} ({path.stat().st_size / 1e6:.1f} MB): {speed:.2f} of the speed of "
        f"json.loads alone (interval {interval[0]:.2f} to {interval[1]:.2f}), "
        f"{1e3 * statistics.median(times[ours]):.1f} ms"
    )
    assert interval[0] >= 0.6


@dataclass(frozen=True)
class Grown:
    """What it took to index a folder for the first time, and when one run had been added."""

    first: Indexed
    then: Indexed


def grown(folder: Path, runs: int) -> Grown:
    """Index so many runs, which differ in their ids, and one more."""
    run = large(SAMPLES["few samples"])
    text = json.dumps(factory.document(run))

    def store(number: int) -> None:
        (folder / f"{number:05d}_run.json").write_text(text.replace(run.info.run_id, f"run-{number:05d}"))

    folder.mkdir()
    for number in range(runs):
        store(number)
    first = history_of(folder)
    store(runs)
    then = history_of(folder)
    shutil.rmtree(folder)  # gigabytes
    assert (first.runs, then.runs, then.records) == (runs, runs + 1, (runs + 1) * CASES)
    return Grown(first, then)


def history_of(folder: Path) -> Indexed:
    """The history of a folder, made in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", INDEX, str(folder)],
        env=os.environ | {"BENCH_CORE_CACHE": str(folder.with_name("cache")), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs, records, seconds, peak = done.stdout.split()
    return Indexed(int(runs), int(records), float(seconds), int(peak))


def test_history_with_a_new_run_is_ready_in_seconds(tmp_path: Path, print_line: PrintLine) -> None:
    few, many = grown(tmp_path / "few", FEW), grown(tmp_path / "many", RUNS)

    def at_full_number(of_few: float, of_many: float) -> float:
        return of_few + (of_many - of_few) * (FULL - FEW) / (RUNS - FEW)

    seconds = at_full_number(few.then.seconds, many.then.seconds)
    memory = at_full_number(few.then.peak, many.then.peak)
    print_line(
        f"history of {many.then.runs:,} runs with {many.then.records:,} records, one run new: "
        f"{many.then.seconds:.2f} s, {many.then.peak / 2**20:.0f} MiB (the first time {many.first.seconds:.0f} s); "
        f"in proportion for {FULL:,} runs {seconds:.1f} of {SECONDS:.0f} s, "
        f"{memory / 2**20:.0f} of {MEMORY / 2**20:.0f} MiB"
    )
    assert seconds <= SECONDS
    assert memory <= MEMORY
