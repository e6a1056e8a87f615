"""Builders of real records and runs, and of the JSON files they are stored in. All times are synthetic.

A call takes ``overhead + units * cost`` seconds, on devices that are named "Synthetic ...".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench_core.core import stats
from bench_core.core.case import Case
from bench_core.core.ceilings import Ceilings, MemorySpeed
from bench_core.core.counts import CallCounts
from bench_core.core.machine import Gpu, Machine
from bench_core.core.records import NotRun, Record, Run, RunInfo, Timing
from bench_core.core.results import Contention, Flag, FlagCode, Latency, Parity, Stages
from bench_core.core.studies import CourseRun, LadderRung, Row, TimeToAccuracy
from bench_core.storage import files
from bench_core.storage.checksum import with_checksum

BATCHES = (1, 8, 64, 512, 4096)


@dataclass(frozen=True)
class Cost:
    """Seconds of a call: a fixed part, and one for each unit."""

    overhead: float
    unit: float

    def seconds(self, units: int) -> float:
        return self.overhead + units * self.unit


CPU, CPU_ALONE, GPU = Cost(2e-5, 4e-6), Cost(1e-5, 1.4e-5), Cost(2e-4, 1e-7)


def machine(gpu: bool = True, **changes: Any) -> Machine:
    synthetic = Machine(
        cpu="Synthetic CPU",
        cpu_capability="AVX512",
        usable_cpus=16,
        logical_cpus=32,
        memory=128 * 2**30,
        gpus=(Gpu("Synthetic GPU", 80 * 2**30, "9.0"),) if gpu else (),
        driver="570.1" if gpu else None,
        cuda="12.8" if gpu else None,
        cudnn="91002" if gpu else None,
        torch="2.11.0",
        torchvision="0.26.0",
        python="3.11.9",
        os="Synthetic Linux 1",
        kernel="6.1",
    )
    return replace(synthetic, **changes)


def timing(seconds: float, count: int = 40, spread: float = 0.03, seed: int = 0, **changes: Any) -> Timing:
    """Samples spread log-normally about a median of ``seconds`` per call."""
    noise = np.exp(np.random.default_rng(seed).normal(0.0, spread, count))
    samples = seconds * noise / np.median(noise)
    interval = stats.median_interval(samples)
    half = stats.relative_half_width(seconds, interval)
    met = half is not None and half <= 0.02
    measured = Timing(
        median=stats.median(samples),
        interval=interval,
        confidence=0.95,
        rel_ci=0.02,
        rel_half_width=half,
        count=count,
        effective_samples=float(count),
        samples=tuple(map(float, samples)),
        thinned=False,
        inner_calls=1 if seconds > 0.01 else 10,
        met_target=met,
        stop_reason="target of 2% met" if met else "time cap reached before the target of 2%",
        decisions=("calls in a block: 10", "warm-up: steady", "pilot of 28"),
        steady=True,
        warmup_calls=30,
        cold_start=seconds * 40,
        issue_time=seconds * 0.4,
        device_time=None,
        clock_overhead=1e-6,
        cross_check=1.0,
        latency=Latency(100, seconds * 1.05, seconds * 1.2, seconds * 1.5),
    )
    return replace(measured, **changes)


def record(case: Case, seconds: float = 1e-3, *, count: int = 40, units: int | None = None, **changes: Any) -> Record:
    """A record of a case whose call takes ``seconds``; a unit is an image."""
    gpu = case.device != "cpu"
    seed = sum(map(ord, case.id))
    synthetic = Record(
        case=case,
        family="synthetic",
        kind="train",
        unit="image",
        units=units or case.batch_size,
        flops=609_792 * (units or case.batch_size),
        parameters=101_770,
        summary="Synthetic work.",
        source="none: synthetic",
        data="digits stand-in",
        device_model="Synthetic GPU" if gpu else "Synthetic CPU",
        threads=case.threads or 16,
        timing=timing(seconds, count, seed=seed, device_time=seconds * 0.9 if gpu else None),
        build_seconds=0.2,
        wall_seconds=1.5,
        peak_memory=64 * 2**20 if gpu else None,
        contention=Contention(seconds=1.0, involuntary_switches=3, stolen=0.0, load_before=0.3),
        compilation=None,
        parity=Parity("outputs", 3e-7, 4e-6, {"outputs": 3e-7}, (), case.batch_size, 0.01),
        flags=(),
        counts=counts(units or case.batch_size),
        peak_host_memory=96 * 2**20,
        unavailable={} if gpu else {"peak_memory": "torch does not count host memory"},
    )
    return replace(synthetic, **changes)


def counts(units: int) -> CallCounts:
    """What a call counts: 20 operators, the weights and something for each unit."""
    traffic = 4 * 101_770 + 4_000 * units
    return CallCounts(operators=20, bytes_read=2 * traffic, bytes_written=traffic, footprint=traffic)


def ceilings(devices: Sequence[str] = ("cpu", "cuda"), **changes: Any) -> tuple[Ceilings, ...]:
    """The limits of these devices, of the CPU with all cores and with one thread."""
    copies = (MemorySpeed(2**15, 2e11), MemorySpeed(2**30, 4e10))
    cpu = Ceilings("cpu", "Synthetic CPU", 16, {"fp32": 1e12, "bf16": 2e12}, copies, 1e-6, 3e-6)
    fast = (MemorySpeed(2**15, 2e10), MemorySpeed(2**30, 3e12))
    gpu = Ceilings("cuda", "Synthetic GPU", 16, {"fp32": 6e13, "bf16": 8e14}, fast, 4e-6, 1e-5, 2e-6, 2e10)
    alone = replace(cpu, threads=1, flops={"fp32": 7e10, "bf16": 1.4e11})
    known = (cpu, alone, gpu)
    return tuple(replace(row, **changes) for row in known if row.device in devices)


def contended(of: Record, switches: int = 900) -> Record:
    """The same record, measured while other work took the CPU so many times in a second."""
    flag = Flag(FlagCode.CONTENTION, f"other work took the CPU away {switches} times a second")
    busy = Contention(seconds=1.0, involuntary_switches=switches, stolen=0.0, load_before=3.0)
    return replace(of, flags=(*of.flags, flag), contention=busy)


def sweep(
    workload: str = "mlp_train",
    devices: Sequence[str] = ("cpu", "cuda"),
    batches: Sequence[int] = BATCHES,
    costs: Mapping[str, Cost] | None = None,
    one_thread_at: int | None = 64,
    case: Case | None = None,
    **changes: Any,
) -> list[Record]:
    """The records of one workload over its batches, with a single-thread case on the CPU."""
    costs = {"cpu": CPU, "cuda": GPU} | dict(costs or {})
    like = replace(case or Case(workload), workload=workload)
    records = [
        record(replace(like, device=device, batch_size=batch), costs[device].seconds(batch), **changes)
        for device in devices
        for batch in batches
    ]
    if one_thread_at and "cpu" in devices:
        alone = replace(like, batch_size=one_thread_at, threads=1)
        records.append(record(alone, CPU_ALONE.seconds(one_thread_at), **changes))
    return records


RUNGS = {
    "as in tutorials": (7.2e-3, 1.61e-2), "own optimizer": (7.1e-3, 1.62e-2), "synchronize": (7.3e-3, 1.63e-2),
    "warm-up": (6.4e-3, 6.8e-3), "loader taken out": (5.6e-4, 2.9e-4), "inputs resident": (5.8e-4, 2.2e-4),
    "repeated": (5.7e-4, 2.3e-4),
}  # fmt: skip
"""Synthetic seconds per step of each rung of the ladder, on the CPU and on the GPU."""


def ladder(devices: Sequence[str] = ("cpu", "cuda"), **changes: Any) -> tuple[LadderRung, ...]:
    """The ladder on these devices."""
    rungs = []
    for device in devices:
        for name, both in RUNGS.items():
            seconds = both[device != "cpu"]
            rung = LadderRung(
                device=device,
                device_model="Synthetic CPU" if device == "cpu" else "Synthetic GPU",
                threads=16,
                work="mlp_train, batch 64, fp32",
                data="digits stand-in",
                rung=name,
                what=f"Synthetic: {name}, described in a sentence of some length.",
                seconds=seconds,
                interval=(0.99 * seconds, 1.01 * seconds) if name == list(RUNGS)[-1] else None,
                steps=200,
            )
            rungs.append(replace(rung, **changes))
    return tuple(rungs)


def pipeline(devices: Sequence[str] = ("cpu", "cuda"), **changes: Any) -> list[Record]:
    """Records of a training epoch with its stages, by its settings; the one with resident data has no transfer."""
    records = []
    for device in devices:
        for i, setting in enumerate(("w0", "w2", "resident")):
            case = Case("mnist_epoch_e2e", device=device, batch_size=64, setting=setting)
            seconds = {"load": 1.0 / (i + 1), "transfer": 0.05, "compute": 0.6 if device == "cpu" else 0.2}
            if setting == "resident":
                del seconds["transfer"]
            whole = sum(seconds.values()) * (1.01 if device == "cpu" else 0.8)
            stages = Stages(seconds, whole, repeats=3)
            records.append(record(case, whole, units=60_000, kind="pipeline", stages=stages, **changes))
    return records


TRAININGS = {
    "mlp_train": (0.9, 64, 150, (0.105, 0.042)), "cnn_mnist_train": (0.95, 64, 1500, (6.4, 0.8)),
    "resnet20_cifar_train": (0.97, 32, 220, (31.6, 2.1)),
}  # fmt: skip
"""Synthetic target, batch, steps and seconds (on the CPU and on the GPU) of each training until its target."""


def learning(devices: Sequence[str] = ("cpu", "cuda"), **changes: Any) -> tuple[TimeToAccuracy, ...]:
    """Trainings that reach their targets on these devices."""
    trainings = []
    for device in devices:
        for name, (target, batch, steps, seconds) in TRAININGS.items():
            training = TimeToAccuracy(
                workload=name,
                device=device,
                device_model="Synthetic CPU" if device == "cpu" else "Synthetic GPU",
                threads=16,
                batch_size=batch,
                data="digits stand-in",
                stand_in=True,
                test_size=257,
                target=target,
                accuracy=target + 0.011,
                steps=steps,
                eval_interval=10,
                units=steps * batch,
                seconds=seconds[device != "cpu"],
                met=True,
                seed=0,
            )
            trainings.append(replace(training, **changes))
    return tuple(trainings)


COURSES = {"mlp_train": ((28.0, 21.0), (4e-4, 2e-4)), "cnn_mnist_train": ((40.0, 22.5), (3e-3, 5e-4))}
"""Synthetic seconds by a course's clock, and of a training step, on the CPU and on the GPU."""


def course(devices: Sequence[str] = ("cpu", "cuda"), **changes: Any) -> tuple[CourseRun, ...]:
    """Runs as in courses on these devices."""
    runs = []
    for device in devices:
        for name, (seconds, train) in COURSES.items():
            on_gpu = device != "cpu"
            timed = CourseRun(
                workload=name,
                device=device,
                device_model="Synthetic GPU" if on_gpu else "Synthetic CPU",
                threads=16,
                batch_size=64,
                data="digits stand-in",
                epochs=5,
                steps=4690,
                seconds=seconds[on_gpu],
                unfinished=2e-4 if on_gpu else 1e-6,
                first=1.4 if on_gpu else 0.03,
                load=4e-3,
                load_interval=(3.9e-3, 4.1e-3),
                copy=5e-5 if on_gpu else 1e-6,
                copy_interval=(5e-5, 5e-5) if on_gpu else (1e-6, 1e-6),
                train=train[on_gpu],
                train_interval=(0.99 * train[on_gpu], 1.01 * train[on_gpu]),
            )
            runs.append(replace(timed, **changes))
    return tuple(runs)


def run(
    records: Iterable[Record] | None = None,
    on: Machine | None = None,
    started: str = "2026-01-02T03:04:05+00:00",
    not_run: Sequence[NotRun] = (),
    skipped: Sequence[str] = (),
    partial: bool = False,
    path: Path = Path("results/synthetic/0001_run.json"),
    ladder: Sequence[LadderRung] = (),
    learning: Sequence[TimeToAccuracy] = (),
    course: Sequence[CourseRun] = (),
    ceilings: Sequence[Ceilings] = (),
    **changes: Any,
) -> Run:
    """A run of these records (by default one sweep) on a machine (by default the one with a GPU).

    ``ladder``, ``learning``, ``course`` and ``ceilings`` are the rows of its studies.
    """
    on = on or machine()
    kept = tuple(sweep(devices=("cpu", "cuda") if on.gpus else ("cpu",)) if records is None else records)
    items = [f"ladder-{rung.device}" for rung in ladder]
    items += [f"learning-{training.workload}-{training.device}" for training in learning]
    items += [f"course-{timed.workload}-{timed.device}" for timed in course]
    items += [f"ceilings-{row.device}" for row in ceilings]
    info = RunInfo(
        run_id=f"synthetic-{started}-{on.torch}",
        started=started,
        version="0.1.0",
        machine=on,
        dirty=False,
        commit="0123456789abcdef0123456789abcdef01234567",
        options={"--bench-rel-ci": "0.02"},
        planned=len(kept) + len(not_run) + (3 if partial else 0),
        partial=partial,
        not_run=tuple(not_run),
        studies=studies(*ladder, *learning, *course, *ceilings),
        studied=tuple(dict.fromkeys(items)),
    )
    return Run(path, replace(info, **changes), kept, tuple(skipped))


def studies(*rows: Row) -> dict[str, tuple[dict[str, Any], ...]]:
    """Rows of studies in the form in which a stored run has them."""
    tables: dict[str, tuple[dict[str, Any], ...]] = {}
    for row in rows:
        tables[row.STUDY] = (*tables.get(row.STUDY, ()), json.loads(json.dumps(asdict(row))))
    return tables


def busy_run(on: Machine | None = None, every: int = 2, **facts: Any) -> Run:
    """Sweeps of three workloads of which every so many cases were measured beside other work."""
    on = on or machine()
    devices = ("cpu", "cuda") if on.gpus else ("cpu",)
    records = [r for name in ("mlp_train", "cnn_train", "gan_step") for r in sweep(name, devices)]
    return run([contended(r, 100 + i) if i % every == 0 else r for i, r in enumerate(records)], on, **facts)


def large_run(on: Machine | None = None, workloads: int = 35) -> Run:
    """Many workloads in several families, of which the GPU wins some always, some from a batch on and some never."""
    on = on or machine()
    devices = ("cpu", "cuda") if on.gpus else ("cpu",)
    records: list[Record] = []
    for i in range(workloads):
        costs = {"cuda": Cost(2e-6 * 4 ** (i % 7), 1e-7 * 4 ** (i % 4))}
        records += sweep(f"workload_{i:02d}_train", devices, costs=costs, family=f"family {i // 6 + 1}")
    return run(records, on)


def document(of: Run) -> dict[str, Any]:
    """A run as pytest-benchmark stores it."""
    benches = [
        {
            "name": f"test_{r.family}[{r.case.id}]",
            "fullname": f"benchmarks/test_{r.family}.py::test_{r.family}[{r.case.id}]",
            "group": r.case.workload,
            "params": None,
            "stats": {"median": r.timing.median, "rounds": r.timing.count, "iterations": 1},
            "extra_info": {files.KEY: files.encode(r)},
        }
        for r in of.records
    ]
    return {
        "machine_info": {"cpu": {"brand_raw": of.info.machine.cpu}, "synthetic": True},
        "commit_info": {"id": of.info.commit},
        "benchmarks": benches,
        "datetime": of.info.started,
        "version": "5.3.1",
        files.KEY: files.encode(of.info),
    }


def store(of: Run, path: Path, *, checksum: bool = False) -> Path:
    """Write a run as a stored JSON file; with a checksum as bench-core does, without one as older files are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(of))
    path.write_bytes(with_checksum(text) if checksum else text.encode())
    return path
