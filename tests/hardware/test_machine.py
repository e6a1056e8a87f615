"""The machine: how many cores the process may use, and the fingerprint that names the machine."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench_core.core.machine import Gpu
from bench_core.hardware import machine


def test_a_quota_of_any_parent_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(machine, "_cgroup_folders", lambda: [inner, inner.parent, tmp_path])
    assert machine.cgroup_quota() == 1.5
    (inner / "cpu.max").write_text("400000 100000\n")
    assert machine.cgroup_quota() == 1.5


def test_usable_cpus_are_the_fewer_of_affinity_and_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for quota, cpus in ((None, 4), (1.5, 2), (0.5, 1), (64.0, 4)):
        monkeypatch.setattr(machine, "cgroup_quota", lambda quota=quota: quota)
        assert machine.usable_cpus(tmp_path) == cpus


def test_without_an_affinity_mask_all_cores_are_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine, "cgroup_quota", lambda: None)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 16 if logical else 8)
    assert machine.usable_cpus(tmp_path) == 8
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: None)
    assert machine.usable_cpus(tmp_path) == os.cpu_count()


def test_two_hardware_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(machine, "cgroup_quota", lambda: None)
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    assert machine.usable_cpus(tmp_path) == 2


@pytest.mark.parametrize(
    ("gpus", "gpu_slug"),
    [
        ((), "no-gpu"),
        ((Gpu("NVIDIA H100 80GB HBM3", 80 * 2**30, "9.0"),), "nvidia-h100-80gb-hbm3"),
        ((Gpu("Tesla T4", 16 * 2**30, "7.5"), Gpu("NVIDIA L4", 24 * 2**30, "8.9")), "tesla-t4"),
    ],
    ids=["no GPU", "one GPU", "two GPUs"],
)
def test_the_slug_names_both_models_without_odd_characters(gpus: tuple[Gpu, ...], gpu_slug: str) -> None:
    xeon = replace(machine.fingerprint(), cpu="Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz", usable_cpus=26)
    assert replace(xeon, gpus=gpus).slug == f"intel-xeon-platinum-8480-26cpu_{gpu_slug}"


def test_the_slug_of_this_machine_has_no_odd_characters() -> None:
    this = machine.fingerprint()
    cpu, _, gpu = this.slug.partition("_")
    assert cpu.endswith(f"-{this.usable_cpus}cpu")
    assert (gpu == "no-gpu") == (not this.gpus)
    assert gpu
    assert set(this.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
