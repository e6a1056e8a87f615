"""The allocator: once settled, tensors get memory that was used before, however many there are."""

import platform

import pytest

from tests.support.processes import python

FAULTS = """
import resource, torch
from bench_core.hardware import allocator

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [torch.ones(2**20) for _ in range(10)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
allocator.settle()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="describes glibc's allocator")
def test_a_settled_allocator_takes_no_memory_from_the_kernel_again():
    run = python("-c", FAULTS)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 100  # without settling, usually 100,000: how many depends on the kernel's huge pages
