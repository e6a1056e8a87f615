"""A test of user code as a case: how it is named, and which test a name is of."""

from __future__ import annotations

import re

from bench_core.core.case import Case

_END = re.compile(r"-([a-z]+(?::[0-9]{1,3})?)-b([0-9]{1,18})-default-eager(?:-t([0-9]{1,9}))?$")


def case_of_test(test: str, device: str, units: int, threads: int | None = None) -> Case:
    """The case of a test, named after its node id and its parameters without the device's.

    A call does ``units`` units of work on ``device``; ``threads`` is the number of CPU threads that was asked for.
    """
    where, _, parameters = test.partition("[")
    return Case(
        workload=where,
        device=device,
        batch_size=units,
        dtype="default",
        setting="-".join(part for part in parameters.removesuffix("]").split("-") if part != device),
        threads=threads,
    )


def is_of_test(name: str, test: str) -> bool:
    """Whether the name of a case is that of a test with this node id, on any device with any number of units."""
    end = _END.search(name)
    if end is None:
        return False
    device, units, threads = end.groups()
    return name == case_of_test(test, device, int(units), int(threads) if threads else None).name
