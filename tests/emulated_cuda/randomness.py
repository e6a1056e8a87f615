"""Random numbers: the CPU's generator, seeded from that of the emulated GPU, and as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from tests.emulated_cuda import graphs


@contextmanager
def drawn_on(device: torch.device, given: Iterable[object]) -> Iterator[None]:
    """A block in which the CPU's generator gives the next numbers of a GPU's: of its own, or of a generator given."""
    if graphs.capturing() is not None:
        raise NotImplementedError("the emulated GPU cannot draw random numbers in a captured graph")
    own = torch.cuda.default_generators[device.index]
    generator = next((value for value in given if isinstance(value, torch.Generator)), own)
    offset = generator.get_offset()
    generator.set_offset(offset + 4)  # torch takes multiples of four
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed((generator.initial_seed() * 1_000_003 + offset) % 2**63)
        yield
