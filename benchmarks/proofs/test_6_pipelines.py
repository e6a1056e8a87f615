"""The stages of a pipeline add up to the whole: both timed in turn in one run."""

import pytest

from bench_core import Case, workloads
from bench_core.timing.stages import TOLERANCE, time_stages

SECONDS = 90.0
CASES = (
    Case("mnist_epoch_e2e", batch_size=64, setting="w0"),
    Case("mnist_epoch_e2e", batch_size=64, setting="w2"),
    Case("mnist_epoch_e2e", batch_size=64, setting="resident"),
    Case("segmentation_pipeline"),
    Case("csv_loader", batch_size=64),
)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_parts_over_whole(case, tell):
    step = workloads.build(case)
    for _ in range(2):
        step()
    found = time_stages(step, step.devices, SECONDS)
    parts = ", ".join(f"{name} {1e3 * seconds:.3g} ms" for name, seconds in found.seconds.items())
    tell(
        f"parts over whole, {case.workload} {case.setting}: {found.share:.3f} of {found.whole:.3f} s, "
        f"{found.repeats} repeats ({parts})"
    )
    assert abs(found.share - 1.0) <= TOLERANCE
