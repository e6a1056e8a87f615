import pytest

from bench_core.core.results import Contention
from bench_core.hardware import machine
from bench_core.hardware.device import Cpu, find, resolve


def test_a_quota_of_any_group_above_counts(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(machine, "_cgroup_folders", lambda: [inner, inner.parent, tmp_path])
    assert machine.cgroup_quota() == 1.5
    (inner / "cpu.max").write_text("400000 100000\n")
    assert machine.cgroup_quota() == 1.5


def test_usable_cpus_are_the_least_of_affinity_and_quota(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for quota, cpus in ((None, 4), (1.5, 2), (0.5, 1), (64.0, 4)):
        monkeypatch.setattr(machine, "cgroup_quota", lambda quota=quota: quota)
        assert machine.usable_cpus(tmp_path) == cpus


def test_two_hardware_threads_of_a_core_count_once(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(machine, "cgroup_quota", lambda: None)
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    assert machine.usable_cpus(tmp_path) == 2


def test_the_slug_holds_both_models_and_no_odd_characters():
    found = machine.fingerprint()
    cpu, _, gpu = found.slug.partition("_")
    assert cpu
    assert gpu == ("no-gpu" if not found.gpus else gpu)
    assert set(found.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_last_level_cache_is_at_least_a_megabyte():
    assert Cpu().cache_bytes() >= 2**20


@pytest.mark.parametrize("name", ["tpu", "cpu:x", "cuda:abc", "", "CPU"])
def test_unknown_devices_are_refused_with_a_list(name):
    with pytest.raises(ValueError, match="there are: cpu, cuda"):
        find(name)


def test_several_devices_are_resolved_in_order():
    assert [device.name for device in resolve(["cpu", "cpu"])] == ["cpu", "cpu"]


def test_warnings_tell_other_work_from_too_many_threads_of_our_own():
    calm = Contention(seconds=1.0, involuntary_switches=10, stolen=0.0, load_before=0.1)
    busy = Contention(seconds=1.0, involuntary_switches=900, stolen=0.2, load_before=3.0)
    assert calm.warnings(threads=2, cpus=2) == ()
    other, stolen = busy.warnings(threads=2, cpus=2)
    assert "900 times a second" in other
    assert "20%" in stolen
    assert busy.warnings(threads=8, cpus=2)[0].startswith("more threads (8) than usable cores (2)")
