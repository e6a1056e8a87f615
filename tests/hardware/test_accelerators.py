"""Every accelerator that torch knows, by one class: rehearsed on a fake one with a clock, a stream and memory."""

import re
from types import SimpleNamespace

import pytest
import torch

from bench_core import measure, workloads
from bench_core.core.case import Case
from bench_core.core.errors import CaseError
from bench_core.hardware import device
from bench_core.hardware.device import Accelerator, device_dtype, find, present
from bench_core.workloads.kit.building import why_unsupported
from tests.support.devices import FakeAsyncDevice, VirtualClock


class FakeAccelerator:
    """Stands behind ``torch.accelerator``: one device of a kind, whose work is that of a fake asynchronous device."""

    def __init__(self, kind: str, monkeypatch: pytest.MonkeyPatch, counts_memory: bool = True) -> None:
        self.clock = VirtualClock()
        self.device = FakeAsyncDevice(self.clock)
        self.memory = {"allocated_bytes.all.peak": 123} if counts_memory else {}
        self.resets = 0
        fake = self

        class Event:
            def __init__(self, device: str, enable_timing: bool) -> None:
                assert device == f"{kind}:0"
                assert enable_timing

            def record(self, stream: object) -> None:
                assert stream == "stream of 0"
                self.moment = fake.device.start_events()

            def synchronize(self) -> None:
                fake.device.synchronize()

            def elapsed_time(self, end: "Event") -> float:
                assert isinstance(end.moment, float)
                assert isinstance(self.moment, float)
                return 1e3 * (end.moment - self.moment)

        api = {
            "current_accelerator": lambda check_available=False: torch.device(kind) if check_available else None,
            "device_count": lambda: 1,
            "current_device_index": lambda: 0,
            "current_stream": lambda index: f"stream of {index}",
            "synchronize": lambda index: self.device.synchronize(),
            "empty_cache": lambda: None,
            "memory_stats": lambda index: self.memory,
            "reset_peak_memory_stats": lambda index: self._reset(),
        }
        for name, function in api.items():
            monkeypatch.setattr(torch.accelerator, name, function)
        monkeypatch.setattr(torch, "Event", Event)
        module = SimpleNamespace() if kind == "mps" else SimpleNamespace(get_device_name=lambda index: "Fake GPU")
        monkeypatch.setattr(torch, "get_device_module", lambda kind: module)

    def _reset(self) -> None:
        self.resets += 1


KINDS = ("cuda", "mps", "xpu")


@pytest.mark.parametrize("kind", KINDS)
def test_an_accelerator_is_present_and_found_by_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAccelerator(kind, monkeypatch)
    assert present() == ("cpu", kind)
    assert find(kind).name == find(f"{kind}:0").name == f"{kind}:0"
    with pytest.raises(CaseError, match=f"no device {kind}:1; {device.ACCELERATORS[kind].title}s present: 1"):
        find(f"{kind}:1")


def test_an_accelerator_of_another_kind_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAccelerator("xpu", monkeypatch)
    with pytest.raises(CaseError, match="no Apple GPU is present here; there is: cpu, xpu"):
        find("mps")


@pytest.mark.parametrize(("launch", "execute"), [(1e-5, 1e-3), (1e-4, 1e-6)], ids=["device-bound", "host-bound"])
@pytest.mark.parametrize("kind", KINDS)
def test_its_work_is_waited_for_and_timed_on_both_clocks(
    kind: str, launch: float, execute: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeAccelerator(kind, monkeypatch)

    def step() -> None:
        fake.clock.advance(launch)
        fake.device.submit(execute)

    m = measure(step, kind, max_time=0.5, timer=fake.clock)
    assert m.median == pytest.approx(max(launch, execute), rel=0.01)
    assert m.device_time == pytest.approx(max(launch, execute), rel=0.01)
    assert m.issue_time == pytest.approx(launch, rel=0.01)
    assert m.latency is not None
    assert m.latency.p50 == pytest.approx(launch + execute, rel=0.01)


def test_peak_memory_is_counted_from_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeAccelerator("xpu", monkeypatch)
    accelerator = Accelerator("xpu")
    accelerator.reset_peak_memory()
    assert fake.resets == 1
    assert accelerator.peak_memory() == 123


def test_memory_that_torch_does_not_count_is_none_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAccelerator("mps", monkeypatch, counts_memory=False)
    assert Accelerator("mps").peak_memory() is None


def test_an_apple_gpu_has_the_name_of_its_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAccelerator("mps", monkeypatch)
    monkeypatch.setattr("bench_core.hardware.machine.cpu_model", lambda: "Apple M9")
    assert Accelerator("mps").model() == "Apple M9 GPU"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case("gemm", "mps", dtype="tf32"), "tf32 exists on CUDA devices only; .* on an Apple GPU is fp32"),
        (Case("mlp_train", "mps", variant="cuda_graph"), "CUDA graphs exist on CUDA devices only; .* an Apple GPU is"),
    ],
)
def test_what_a_kind_lacks_is_refused_with_the_reason(case: Case, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAccelerator("mps", monkeypatch)
    assert re.search(reason, why_unsupported(workloads.get(case.workload), case) or "")


def test_a_dtype_that_a_device_lacks_has_a_counterpart() -> None:
    assert device_dtype("tf32", "cuda") == "tf32"
    assert [device_dtype("tf32", kind) for kind in ("cpu", "mps", "xpu")] == ["fp32"] * 3
    assert device_dtype("bf16", "mps") == "bf16"


def test_a_workload_has_the_batches_of_cuda_on_every_other_accelerator() -> None:
    w = workloads.get("mlp_train")
    assert w.batch_sizes("mps") == w.batch_sizes("xpu") == w.batch_sizes("cuda")
