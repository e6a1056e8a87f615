"""Devices by name."""

import pytest

from bench_core.hardware.device import Cpu, find, resolve
from tests.support.devices import FakeAsyncDevice, VirtualClock


def test_the_last_level_cache_is_at_least_a_megabyte() -> None:
    assert Cpu().cache_bytes() >= 2**20


@pytest.mark.parametrize("name", ["tpu", "cpu:x", "cuda:abc", "", "CPU"])
def test_an_unknown_device_is_refused_with_the_list_of_devices(name: str) -> None:
    with pytest.raises(ValueError, match="there are: cpu, cuda"):
        find(name)


def test_several_devices_are_resolved_in_order() -> None:
    assert [device.name for device in resolve(["cpu", "cpu"])] == ["cpu", "cpu"]


def test_any_object_with_the_members_of_a_device_is_one() -> None:
    device = FakeAsyncDevice(VirtualClock())
    assert resolve(device) == (device,)
