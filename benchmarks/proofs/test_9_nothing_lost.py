"""Nothing is lost: sweeps killed at random moments, two at once, folders merged, damaged files."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from killing import Sweeper, at_once, endure

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import Run
from bench_core.storage.files import load, load_all
from bench_core.storage.journal import Journal, journals
from bench_core.storage.journaled import read
from bench_core.storage.merge import merge
from bench_core.storage.numbered import number_of
from tests.support import factory

PrintLine = Callable[[str], None]

KILLS, CASES = 100, 30
PAIRS = 20
FOLDERS, RUNS_EACH = 50, 300
MUTATIONS = 10_000
RECORDS = [factory.record(Case("gemm", batch_size=2**power), count=6) for power in range(3)]


def test_killed_sweeps(tmp_path: Path, print_line: PrintLine) -> None:
    sweeper = Sweeper(tmp_path / "sweep", CASES)
    started = time.monotonic()
    assert sweeper.ended(sweeper.start()) == 0
    seconds = time.monotonic() - started
    sweeper.forget()
    endured = endure(sweeper, seconds, KILLS, tmp_path / "copy", seed=time.time_ns())
    sweeper.close()
    print_line(
        f"killed sweeps: {endured.kills} kills, {endured.lost} of {endured.finished} finished cases lost; "
        f"{endured.sweeps} sweeps of {CASES} cases continued to their end, {len(endured.wrong)} incomplete"
    )
    assert (endured.lost, endured.wrong) == (0, [])


def test_two_sweeps_at_once(tmp_path: Path, print_line: PrintLine) -> None:
    sweeper = Sweeper(tmp_path / "sweep", 3)
    for _ in range(PAIRS):
        at_once(sweeper, 2)
    sweeper.close()
    runs = load_all([tmp_path])
    numbers = {number_of(run.path.name) for run in runs}
    print_line(f"two sweeps at once, {PAIRS} times: {len(runs)} runs can be read, {len(numbers)} numbers")
    assert len(runs) == len(numbers) == 2 * PAIRS
    assert all(len(run.records) == 3 and not run.info.partial for run in runs)
    assert not journals(tmp_path)


def test_merged_folders(tmp_path: Path, print_line: PrintLine) -> None:
    """Each folder has the same numbers; about a third of its runs are in other folders too, some of them partial."""
    draw, different = random.Random(0), 10_000
    complete: Counter[str] = Counter()
    for folder in range(FOLDERS):
        for number, name in enumerate(draw.sample(range(different), RUNS_EACH), start=1):
            partial = draw.random() < 0.2
            complete[str(name)] += not partial
            run = factory.run(RECORDS[: 1 if partial else 2], run_id=str(name), partial=partial)
            factory.store(run, tmp_path / f"folder{folder}" / f"{number:04}_run.json")
    sources = [tmp_path / f"folder{folder}" for folder in range(FOLDERS)]
    started = time.monotonic()
    merged = merge(tmp_path / "all", sources)
    seconds = time.monotonic() - started
    stored = [load(path) for path in (tmp_path / "all").rglob("*.json")]
    numbers = {number_of(run.path.name) for run in stored}
    print_line(
        f"merged: {FOLDERS} folders of {RUNS_EACH} runs in {seconds:.0f} s: {len(merged.written)} files with "
        f"{len(numbers)} numbers, of {len(complete)} different runs"
    )
    assert {run.info.run_id: not run.info.partial for run in stored} == {name: n > 0 for name, n in complete.items()}
    assert len(stored) == len(numbers) == len(complete)
    assert merge(tmp_path / "all", sources).written == []


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with a few bytes changed, cut out or put in, or its end cut off."""
    at, length = draw.randrange(len(content)), draw.randrange(1, 40)
    other = draw.randbytes(length)
    flipped = bytes([content[at] ^ 1 << draw.randrange(8)])
    return draw.choice(
        [
            content[:at],
            content[:at] + flipped + content[at + 1 :],
            content[:at] + other + content[at + length :],
            content[:at] + content[at + length :],
            content[:at] + other + content[at:],
            content[:at] + content[draw.randrange(len(content)) :][:length] + content[at + length :],
        ]
    )


def test_damaged_journals(tmp_path: Path, print_line: PrintLine) -> None:
    journal = Journal.create(tmp_path, factory.run(RECORDS).info)
    for record in RECORDS:
        journal.note_record(record)
    journal.close()
    original, draw = journal.path.read_bytes(), random.Random(0)
    refused = lost = wrong = 0
    for _ in range(MUTATIONS):
        journal.path.write_bytes(mutated(original, draw))
        try:
            held = read(journal.path)
        except RecordError:
            refused += 1
            continue
        wrong += any(record not in RECORDS for record in held.records)
        lost += len(held.records) < len(RECORDS)
    print_line(
        f"damaged journals: {MUTATIONS} mutations: {refused} refused, {lost} read without the damaged lines, "
        f"{wrong} with another figure"
    )
    assert not wrong


def test_damaged_runs(tmp_path: Path, print_line: PrintLine) -> None:
    good = factory.store(factory.run(RECORDS, run_id="good"), tmp_path / "0001_good.json")
    path = factory.store(factory.run(RECORDS, run_id="damaged"), tmp_path / "0002_damaged.json", checksum=True)
    original, draw = path.read_bytes(), random.Random(0)
    intact, outcomes = load(path), Counter[str]()
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(original, draw))
        runs = load_all([tmp_path])
        assert load(good) in [Run(run.path, run.info, run.records) for run in runs]
        read_back = [run for run in runs if run.path == path]
        if not read_back:
            assert any(path.name in note for run in runs for note in run.skipped)
        outcomes["refused" if not read_back else "same" if read_back[0] == intact else "other values"] += 1
    print_line(f"damaged runs: {MUTATIONS} mutations: {dict(outcomes)}; the good run beside each was read")
    assert not outcomes["other values"]
