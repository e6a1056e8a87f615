"""The CPUs of this process."""

from pathlib import Path

import pytest

from bench_core.hardware.affinity import allowed_cpus, move_to

pytestmark = pytest.mark.skipif(allowed_cpus() is None, reason="this system has no affinity mask")


def current_cpu():
    """The CPU that this thread is on, as the kernel tells it."""
    return int(Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()[36])


def is_there_after_a_move(cpu):
    move_to(cpu)
    return current_cpu() == cpu


def test_a_move_leaves_the_mask_as_it_was():
    before = allowed_cpus() or set()
    for cpu in sorted(before):
        move_to(cpu)
        assert allowed_cpus() == before


def test_a_thread_is_moved():
    """Other work may move it away at once, but not every time."""
    for cpu in sorted(allowed_cpus() or ()):
        assert any(is_there_after_a_move(cpu) for _ in range(100))


def test_a_cpu_that_is_not_allowed_is_left_alone():
    before = allowed_cpus() or set()
    move_to(max(before) + 1000)
    move_to(-1)
    assert allowed_cpus() == before
