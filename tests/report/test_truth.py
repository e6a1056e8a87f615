"""Stored runs of which everything is known: each speedup, crossover, regime and skip is right in the CSV files and in
the page, in a real browser."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench_core.core.case import Case
from bench_core.core.counts import CallCounts
from bench_core.core.records import NotRun, Outcome, Record
from bench_core.core.results import Stages
from bench_core.report import write
from bench_core.storage import files
from tests.support import factory

pytestmark = pytest.mark.long

BATCHES = (2, 16, 128, 1024)
PER_UNIT = 1e-2
"""Seconds per unit on the CPU."""
FASTER, SLOWER, SAME = "FASTER", "SLOWER", "SAME"


@dataclass(frozen=True)
class Truth:
    """What is known of a workload: its speedup at each batch size, and what bounds it on both devices."""

    name: str
    speedup: Callable[[int], float]
    crossover: float | str
    on_cpu: str
    on_gpu: str

    def verdict(self, batch: int) -> str:
        ratio = self.speedup(batch)
        return SAME if 0.98 < ratio < 1.02 else FASTER if ratio > 1.0 else SLOWER


def crossing(at: float) -> Callable[[int], float]:
    """A speedup that is 1 at a batch size, and a straight line on logarithmic axes."""
    return lambda batch: (batch / at) ** 0.5


def constant(ratio: float) -> Callable[[int], float]:
    return lambda batch: ratio


TRUTHS = (
    Truth("early", crossing(5.0), 5.0, "compute", "compute"),
    Truth("middle", crossing(50.0), 50.0, "bandwidth", "bandwidth"),
    Truth("late", crossing(400.0), 400.0, "host", "host"),
    Truth("always", constant(20.0), "GPU always", "host", "launch"),
    Truth("huge", constant(700.0), "GPU always", "compute", "mixed"),
    Truth("barely", constant(1.3), "GPU always", "mixed", "compute"),
    Truth("never", constant(0.05), "CPU always", "host", "transfer"),
    Truth("nearly", constant(0.7), "CPU always", "bandwidth", "launch"),
    Truth("alike", constant(0.99), "not reached", "compute", "host"),
    Truth("pipeline", crossing(50.0), 50.0, "loader", "loader"),
    Truth("<img src=x onerror=\"document.title='run'\">|a\nb", constant(3.0), "GPU always", "compute", "bandwidth"),
    Truth("../../../outside/`*_#=1+1", constant(0.5), "CPU always", "host", "host"),
)
NOT_RUN = (
    NotRun("early-cuda-b65536-fp32-eager", Outcome.SKIPPED, "out of GPU memory"),
    NotRun("late-cpu-b9-fp32-eager", Outcome.FAILED, "<script>document.title='run'</script>"),
)


def bound_by(record: Record, regime: str) -> Record:
    """A record whose call does so much that, by the ceilings of the factory, this bounds it."""
    seconds, gpu = record.timing.median, record.case.device != "cpu"
    peak, bandwidth, operator = (6e13, 3e12, 2e-6) if gpu else (1e12, 4e10, 1e-6)
    half = 0.6 * seconds
    work = {"flops": 1, "operators": 1, "traffic": 1, "moved": 0}
    if regime in ("compute", "mixed"):
        work["flops"] = int(half * peak)
    if regime in ("bandwidth", "mixed"):
        work["traffic"] = int(half * bandwidth)
    if regime == "launch" or (regime == "host" and not gpu):
        work["operators"] = int(half / operator) + 1
    if regime == "transfer":
        work["moved"] = int(half * 2e10)
    read, written = work["traffic"] - work["traffic"] // 2, work["traffic"] // 2
    counts = CallCounts(work["operators"], read, written, 2**30, work["moved"])
    stages = Stages({"load": 0.9 * seconds, "compute": 0.1 * seconds}, seconds, 3, ("load",))
    # On a GPU, the host bounds by the time that it takes to issue a call.
    issue: dict[str, Any] = {"issue_time": (0.5 if regime == "host" else 0.1) * seconds} if gpu else {}
    return replace(
        record,
        flops=work["flops"],
        counts=counts,
        stages=stages if regime == "loader" else None,
        timing=replace(record.timing, **issue),
    )


def records_of(truth: Truth) -> list[Record]:
    records = []
    for batch in BATCHES:
        cpu = batch * PER_UNIT
        for device, seconds, regime in (("cpu", cpu, truth.on_cpu), ("cuda", cpu / truth.speedup(batch), truth.on_gpu)):
            case = Case(truth.name, device=device, batch_size=batch)
            records.append(bound_by(factory.record(case, seconds, kind="infer"), regime))
    return records


@pytest.fixture(scope="module")
def out(empty_plots: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    records = [record for truth in TRUTHS for record in records_of(truth)]
    run = factory.run(records, ceilings=factory.ceilings(), not_run=NOT_RUN)
    stored = files.load(factory.store(run, folder / "results" / "0001_run.json", checksum=True))
    write([stored], folder / "a" / "b" / "report")
    return folder / "a" / "b" / "report"


def csv_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestCsv:
    def test_every_speedup_and_verdict(self, out: Path) -> None:
        matched = [row for row in csv_of(out / "speedups.csv") if row["comparison"] == "matched"]
        found = {(row["workload"], int(row["base_batch_size"])): row for row in matched}
        assert len(matched) == len(found) == len(TRUTHS) * len(BATCHES)
        for truth in TRUTHS:
            for batch in BATCHES:
                row = found[truth.name, batch]
                assert float(row["ratio"]) == pytest.approx(truth.speedup(batch), rel=1e-4), (truth.name, batch)
                assert row["verdict"] == truth.verdict(batch), (truth.name, batch)

    def test_every_regime(self, out: Path) -> None:
        found: dict[tuple[str, str], set[str]] = {}
        for row in csv_of(out / "cases.csv"):
            found.setdefault((row["workload"], row["device"]), set()).add(row["bound_by"])
        expected = {(truth.name, device): {regime} for truth in TRUTHS for device, regime in _regimes(truth)}
        assert found == expected


def _regimes(truth: Truth) -> tuple[tuple[str, str], ...]:
    return ("cpu", truth.on_cpu), ("cuda", truth.on_gpu)


TABLES = """
return [...document.querySelectorAll('table')].map(table => ({
  caption: table.closest('details').querySelector('summary').firstChild.textContent.trim(),
  section: table.closest('section').id,
  article: table.closest('article')?.querySelector('h3').textContent ?? '',
  rows: [...table.rows].map(row => [...row.cells].map(cell => cell.textContent)),
}));
"""


@pytest.fixture(scope="module")
def tables(browser: Any, out: Path) -> list[dict[str, Any]]:
    browser.get((out / "index.html").as_uri())
    found: list[dict[str, Any]] = browser.execute_script(TABLES)
    return found


def named(tables: list[dict[str, Any]], section: str, caption: str, article: str = "") -> list[dict[str, str]]:
    """The rows of a table by its headings."""
    (table,) = (
        table
        for table in tables
        if (table["section"], table["article"]) == (section, article) and table["caption"].startswith(caption)
    )
    headings, *rows = table["rows"]
    return [dict(zip(headings, row, strict=True)) for row in rows]


class TestPage:
    def test_every_crossover_and_largest_speedup(self, tables: list[dict[str, Any]]) -> None:
        rows = {row["Workload"]: row for row in named(tables, "answer", "CPU against GPU, matched")}
        assert set(rows) == {truth.name for truth in TRUTHS}
        for truth in TRUTHS:
            cell = rows[truth.name]["Crossover batch"]
            if isinstance(truth.crossover, str):
                assert cell == truth.crossover, truth.name
            else:
                assert float(cell.split(" (")[0]) == pytest.approx(truth.crossover, rel=0.01), truth.name
            largest = max(map(truth.speedup, BATCHES))
            assert float(rows[truth.name]["Largest R (CI)"].split("×")[0]) == pytest.approx(largest, rel=0.01)

    def test_every_answer(self, tables: list[dict[str, Any]]) -> None:
        rows = {row["Workload"]: row["Worth it?"] for row in named(tables, "answer", "CPU against GPU, matched")}
        for truth in TRUTHS:
            verdicts = [truth.verdict(batch) for batch in BATCHES]
            if verdicts[-1] != FASTER:
                assert rows[truth.name] == "No", truth.name
            elif verdicts[0] == FASTER:
                assert rows[truth.name] == "Yes, at every batch size measured", truth.name
            else:
                first = next(batch for batch, verdict in zip(BATCHES, verdicts, strict=True) if verdict == FASTER)
                assert rows[truth.name] == f"Yes, from batch size {first:,}", truth.name

    def test_every_speedup_and_verdict(self, tables: list[dict[str, Any]]) -> None:
        for truth in TRUTHS:
            rows = named(tables, "f-synthetic", "Speedups, matched", truth.name)
            assert [int(row["Batch size"].replace(",", "")) for row in rows] == list(BATCHES)
            for row, batch in zip(rows, BATCHES, strict=True):
                assert float(row["R"].removesuffix("×")) == pytest.approx(truth.speedup(batch), rel=0.01)
                assert row["Verdict"] == truth.verdict(batch)

    def test_every_regime(self, tables: list[dict[str, Any]]) -> None:
        found: dict[tuple[str, str], set[str]] = {}
        for row in named(tables, "all-cases", "All cases"):
            device = "cuda" if row["Device"] == "GPU" else "cpu"
            found.setdefault((row["Workload"], device), set()).add(row["Bound by"])
        assert found == {(truth.name, device): {regime} for truth in TRUTHS for device, regime in _regimes(truth)}

    def test_every_skip_with_its_reason(self, tables: list[dict[str, Any]]) -> None:
        rows = named(tables, "not-run", "Cases and studies without a result")
        assert [(row["What"], row["Outcome"], row["Reason"]) for row in rows] == [
            (entry.what, str(entry.outcome), entry.reason) for entry in NOT_RUN
        ]

    @pytest.mark.usefixtures("tables")
    def test_nothing_stored_runs_or_leaves_the_folder(self, browser: Any, out: Path) -> None:
        assert browser.title == "bench-core: Is the GPU worth it?"
        assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
        assert browser.execute_script("return document.scripts.length") == 1
        written = {path.relative_to(out.parents[2]).parts[0] for path in out.parents[2].rglob("*")}
        assert written == {"results", "a"}
        assert {path.name for path in out.parent.iterdir()} == {"report"}
