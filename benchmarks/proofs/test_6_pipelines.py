"""The stages of a pipeline add up to the whole: both timed in turn in one run."""

from collections.abc import Callable

import pytest

from bench_core import Case, workloads
from bench_core.execution.flags import STAGES_TOLERANCE
from bench_core.timing.stages import time_stages

PrintLine = Callable[[str], None]

SECONDS = 90.0
CASES = (
    Case("mnist_epoch_e2e", batch_size=64, setting="w0"),
    Case("mnist_epoch_e2e", batch_size=64, setting="w2"),
    Case("mnist_epoch_e2e", batch_size=64, setting="resident"),
    Case("segmentation_pipeline"),
    Case("csv_loader", batch_size=64),
)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_parts_over_whole(case: Case, print_line: PrintLine) -> None:
    step = workloads.build(case)
    for _ in range(2):
        step()
    timed = time_stages(step, step.devices, SECONDS)
    parts = ", ".join(f"{name} {1e3 * seconds:.3g} ms" for name, seconds in timed.seconds.items())
    print_line(
        f"parts over whole, {case.workload} {case.setting}: {timed.share:.3f} of {timed.whole:.3f} s, "
        f"{timed.repeats} repeats ({parts})"
    )
    assert abs(timed.share - 1.0) <= STAGES_TOLERANCE
