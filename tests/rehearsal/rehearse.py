"""What is rehearsed of a workload on CUDA without a GPU: which cases, how small, and what each has to pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.step import Step
from bench_core.core.tunings import TUNINGS
from bench_core.execution.outputs import check_outputs
from bench_core.execution.parity.gate import check_first_call
from bench_core.execution.parity.judge import check_build
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.definition import KnownCosts, Workload

SMALL = {"gemm": 64, "activations_losses": 4096, "transfer": 4096, "csv_loader": 64, "mnist_epoch_e2e": 64}
SMALL |= {"reduction": 4096, "device_copy": 4096, "embedding": 64, "attention_prefill": 1}
"""Batch sizes of work that is not counted in images or series; that of others is ``BATCH``, of heavy ones 1."""
BATCH = 4
SIDE = 64
"""The side of photos, instead of 224."""
IMAGES = 256
"""The images of an epoch, instead of 60,000."""
ROWS = 200
"""The rows of a table, instead of 5,000."""
ALIKE = ("tf32", "default")
"""Dtypes that are fp32 to all but a GPU's own kernels."""


TUNED = ("mlp_train", "cnn_mnist_train")
"""Workloads of which the tunings are typical: the others do the same with other numbers."""


def on_cuda() -> list[Workload]:
    """The workloads that are defined on GPUs and need one process only."""
    found = map(workloads.get, workloads.names())
    return [workload for workload in found if workload.batch_sizes("cuda", "full") and not workload.over_ranks]


def cases(workload: Workload, device: str = "cuda") -> Iterator[Case]:
    """A small case of a workload in each setting, dtype and variant but ``compile``: of light work all combinations,
    of heavy work, pipelines and tunings those that change one thing at a time."""
    variants = [variant for variant in workload.variants if variant != "compile"]
    variants += [name for name, t in TUNINGS.items() if not t.why_not(workload.kind, device.partition(":")[0], [name])]
    base = Case(workload.name, device, SMALL.get(workload.name, 1 if workload.heavy else BATCH))
    for setting, dtype, variant in product(workload.settings or ("",), workload.dtypes, variants):
        case = replace(base, setting=setting, dtype=dtype, variant=variant)
        alone = workload.heavy or workload.kind == "pipeline" or variant in TUNINGS
        if changes(workload, case) <= 1 or not alone:
            yield case


def changes(workload: Workload, case: Case) -> int:
    """At how many points a case differs from the workload's first setting in fp32 and eager mode."""
    return (case.setting != workload.first_setting) + (case.dtype != "fp32") + (case.variant != "eager")


def is_typical(workload: Workload, case: Case) -> bool:
    """Whether a case differs from the first at a single point, and not at one that makes no other calls."""
    tuned = case.variant in TUNINGS and workload.name not in TUNED
    return changes(workload, case) <= 1 and case.dtype not in (*ALIKE, "fp16") and not tuned


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make photos, epochs and tables small, and draw a single batch. References of such work must not get into the
    user's cache: ``small``."""
    monkeypatch.setattr("bench_core.workloads.kit.context.RESIDENT_BYTES", 0)
    monkeypatch.setattr("bench_core.workloads.vision.resnet50.SIDE", SIDE)
    monkeypatch.setattr("bench_core.workloads.vision.segmentation.SIDE", SIDE)
    monkeypatch.setattr("bench_core.workloads.pipelines.epoch.IMAGES", IMAGES)
    monkeypatch.setattr("bench_core.workloads.pipelines.csv_loader.ROWS", ROWS)


def small(workload: Workload) -> Workload:
    """The workload without its known FLOPs where ``shrink`` changes them."""
    if not workload.heavy:
        return workload
    return replace(workload, known_costs=KnownCosts(parameters=workload.known_costs.parameters))


def rehearse(workload: Workload, case: Case) -> Step:
    """Build a case and call it a few times; its first call has to agree with float64, if there is a reference."""
    step = build(workload, case)
    check_build(workload, case, step)
    if workload.no_parity:
        step()
    else:
        parity = check_first_call(workload, case, step, SynchronizedClock(resolve(step.devices))).parity
        assert parity.error <= parity.tolerance
    check_outputs(step, 2)
    return step


def waits_of(step: Step, calls: int = 3) -> Mapping[str, int]:
    """What the host waits for in some calls of a warm step on an emulated GPU: kind, file and line, and how often."""
    from tests.emulated_cuda import waits

    for _ in range(2):
        step()
    torch.cuda.synchronize()
    with waits.counted() as seen:
        for _ in range(calls):
            step()
    return Counter({f"{wait.kind} at {wait.file}:{wait.line}": times for wait, times in seen.items()})
