"""How much of a case torch compiles. Its graphs are made as for a compiled case, but executed as they are."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bench_core import Case
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.kit import BuildContext, Step, inference, workload
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.compiling import compilation

pytestmark = pytest.mark.usefixtures("one_thread")


def traced(w, case):
    """The compilation of a case whose step was called once."""
    step = build(w, replace(case, variant="compile"))
    with torch.compiler.set_stance(force_backend="eager"):
        step()
    return compilation(step)


class Half(nn.Module):
    """``inside`` operators that torch compiles, and ``outside`` that it does not."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.inside, self.outside = inside, outside
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        for _ in range(self.inside):
            x = x * self.scale
        return self.eagerly(x) if self.outside else x

    @torch.compiler.disable(reason="a test of it")
    def eagerly(self, x):
        for _ in range(self.outside):
            x = x + 1
        return x


def partly(inside, outside):
    @workload(family="own", kind="infer", unit="row", source="here", batches={"cpu": (4,)}, reference_batch=4)
    def built(ctx: BuildContext) -> Step:
        """Work of which torch compiles a part."""
        model = ctx.model(lambda: Half(inside, outside), train=False)
        return ctx.step(
            inference(ctx, model, [ctx.normal(4).view(4)]), units=4, flops=None, data="", modules={"model": model}
        )

    return built


OWN = Case("built", batch_size=4)


@pytest.mark.parametrize(("inside", "outside", "breaks"), [(3, 0, 0), (3, 1, 1), (2, 2, 1)])
def test_the_share_is_that_of_the_operators(inside, outside, breaks):
    found = traced(partly(inside, outside), OWN)
    assert (found.graphs, found.graph_breaks, found.share) == (1, breaks, inside / (inside + outside))


def test_less_than_half_is_a_skip_with_torchs_reason():
    with pytest.raises(
        CaseSkipped, match=r"compile: torch compiles 25% of the operators of the forward pass: .*eagerly"
    ):
        traced(partly(1, 3), OWN)


def test_no_graph_is_a_skip():
    with pytest.raises(CaseSkipped, match="compile: torch compiles none of it"):
        traced(partly(0, 2), OWN)
