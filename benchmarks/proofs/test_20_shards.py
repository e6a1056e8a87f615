"""A sweep in four shards, merged, is the sweep of one machine: each case once, and shards as long as each other."""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench_core.storage.files import load

ROOT = Path(__file__).parents[2]
SHARDS, MOST = 4, 1.1
PYTEST = (sys.executable, "-m", "pytest", "benchmarks")
FAST = ("--bench-max-time=0.02", "--bench-device=cpu")


def sweep(folder: Path, *options: str) -> tuple[Path, str, float]:
    """The file of a run, what it printed, and the seconds that it took."""
    started = time.perf_counter()
    run = subprocess.run(
        [*PYTEST, "--benchmark-autosave", f"--benchmark-storage=file://{folder}", *FAST, *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = folder.rglob("*.json")
    return path, run.stdout, time.perf_counter() - started


def test_four_shards_merged_equal_the_whole_sweep(tmp_path: Path, print_line: Callable[[str], None]) -> None:
    whole, _, took = sweep(tmp_path / "whole")
    shards = [sweep(tmp_path / str(i), f"--bench-shard={i}/{SHARDS}") for i in range(1, SHARDS + 1)]
    sources = [str(tmp_path / str(i)) for i in range(1, SHARDS + 1)]
    merged = tmp_path / "merged"
    subprocess.run([sys.executable, "-m", "bench_core", "merge", str(merged), *sources], cwd=ROOT, check=True)
    (path,) = merged.rglob("*.json")
    one, other = load(whole), load(path)
    assert Counter(record.case for record in other.records) == Counter(record.case for record in one.records)
    assert (other.info.planned, other.info.partial) == (one.info.planned, False)
    assert sorted(other.info.studied) == sorted(one.info.studied)
    assert set(other.info.not_run) == set(one.info.not_run)
    expected = [seconds(output) for _, output, _ in shards]
    print_line(
        f"{len(other.records)} cases and {len(other.info.studied)} studies, each once; whole {took:.0f} s, shards "
        f"{', '.join(f'{s:.0f} s' for *_, s in shards)}; expected {', '.join(f'{s} s' for s in expected)}"
    )
    assert max(expected) <= MOST * min(expected)


def seconds(output: str) -> int:
    """How long a shard is expected to take, from its opening lines."""
    found = re.search(r"shard \d of \d, expected to take (?:(\d+) min )?(\d+) s", output)
    assert found, output
    return 60 * int(found[1] or 0) + int(found[2])
