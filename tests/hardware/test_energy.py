"""Counters of energy: which are found, what they show, and the reasons where there are none."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench_core.core.errors import CounterError
from bench_core.core.results import CPU_PACKAGES as CPU
from bench_core.core.results import GPU_BOARD as GPU
from bench_core.hardware import energy
from bench_core.hardware.energy import counters


class NVMLError(Exception):
    pass


class FakeNvml:
    """Two GPUs, which NVML lists in another order than torch."""

    NVMLError = NVMLError

    def __init__(self, **millijoules: Any) -> None:
        self.millijoules = {uuid.replace("_", "-"): value for uuid, value in millijoules.items()}

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.millijoules:
            raise NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        value = self.millijoules[handle]
        if isinstance(value, str):
            raise NVMLError(value)
        return int(value)


@pytest.fixture
def powercap(monkeypatch, tmp_path):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return tmp_path


@pytest.fixture
def nvml(monkeypatch):
    def use(library: FakeNvml | None) -> None:
        @contextlib.contextmanager
        def fake() -> Iterator[FakeNvml | None]:
            yield library

        monkeypatch.setattr("bench_core.hardware.machine.nvml", fake)
        uuids = {"cuda:0": "GPU-bbb", "cuda:1": "GPU-aaa", "cuda:2": "MIG-ccc"}
        monkeypatch.setattr("bench_core.hardware.machine.gpu_uuid", uuids.get)

    use(None)
    return use


def package(folder: Path, name: str, microjoules: int | str) -> Path:
    (folder / name).mkdir()
    (folder / name / "max_energy_range_uj").write_text("1000000000")
    (folder / name / "energy_uj").write_text(str(microjoules))
    return folder / name / "energy_uj"


@pytest.mark.usefixtures("nvml")
def test_packages_are_added_and_their_parts_are_not(powercap):
    package(powercap, "intel-rapl:0", 3_000_000)
    package(powercap, "intel-rapl:1", 4_000_000)
    package(powercap, "intel-rapl:0:0", 900_000_000)
    with counters(("cpu",)) as found:
        (counter,) = found.counters
        assert (counter.boundary, counter.read()) == (CPU, 7.0)
        assert counter.between(5.0, 7.0) == 2.0
        assert counter.between(1999.0, 1.0) == 2.0, "a counter began anew"
    assert found.missing == ()


@pytest.mark.usefixtures("nvml", "powercap")
def test_a_machine_without_counters_says_so():
    with counters(("cpu",)) as found:
        assert found.counters == ()
    assert found.missing == (f"{CPU}: this system has none, as is usual in virtual machines",)


@pytest.mark.usefixtures("nvml")
def test_a_counter_that_may_not_be_read_names_the_fix(powercap, monkeypatch):
    file = package(powercap, "intel-rapl:0", 1)
    read = Path.read_text

    def forbidden(path: Path) -> str:
        if path == file:
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_text", forbidden)
    with counters(("cpu",)) as found:
        assert found.missing == (f"{CPU}: {file} is not readable; sudo chmod o+r {file}",)


@pytest.mark.usefixtures("nvml")
def test_a_counter_that_shows_nonsense_is_a_reason(powercap):
    package(powercap, "intel-rapl:0", "much")
    with counters(("cpu",)) as found:
        assert "cannot be read" in found.missing[0]


@pytest.mark.usefixtures("powercap")
def test_gpus_are_found_by_their_uuid(nvml):
    nvml(FakeNvml(GPU_aaa=1_000, GPU_bbb=2_000))
    for device, joules in (("cuda:0", 2.0), ("cuda:1", 1.0)):
        with counters((device,)) as found:
            (counter,) = found.counters
            assert (counter.boundary, counter.read()) == (GPU, joules)


@pytest.mark.usefixtures("powercap")
@pytest.mark.parametrize(
    ("library", "device", "reason"),
    [
        (FakeNvml(GPU_bbb="Insufficient Permissions"), "cuda:0", "Insufficient Permissions"),
        (FakeNvml(MIG_ccc="Not Supported"), "cuda:2", "Not Supported"),
        (FakeNvml(), "cuda:0", "GPU-bbb: Not Found"),
        (None, "cuda:0", "there is none for cuda:0"),
        (FakeNvml(), "mps", "there is none for mps"),
    ],
)
def test_a_gpu_without_a_counter_is_a_reason(nvml, library, device, reason):
    nvml(library)
    with counters((device,)) as found:
        assert found.counters == ()
    assert reason in found.missing[1]
    assert found.missing[1].startswith(GPU)


@pytest.mark.usefixtures("powercap")
def test_an_error_midway_is_a_reason(nvml):
    library = FakeNvml(GPU_bbb=2_000)
    nvml(library)
    with counters(("cuda:0",)) as found:
        library.millijoules["GPU-bbb"] = "GPU is lost"
        with pytest.raises(CounterError, match="GPU is lost"):
            found.counters[0].read()


def test_torchs_uuid_is_written_as_the_driver_does(monkeypatch):
    from bench_core.hardware import machine

    for known, written in (("aaa-1", "GPU-aaa-1"), ("MIG-ccc", "MIG-ccc")):
        properties = SimpleNamespace(uuid=known)
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda device, found=properties: found)
        assert machine.gpu_uuid("cuda:0") == written
