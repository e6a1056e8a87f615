"""The variant ``compile`` of every workload: torch compiles at least half of it, or the case is a skip.

Graphs are made as for a compiled case, but executed as they are: no compiler is needed.
"""

import pytest

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.kit.compiling import MIN_SHARE
from tests.rehearsal.rehearse import SMALL, shrink
from tests.workloads.kit.test_compiling import traced

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

NOT_COMPILED = ("lstm_ar_train", "gru_ar_train", "rnn_ar_train")
"""Torch does not compile ``nn.LSTM`` and its like."""
SHORT = ("activations_losses", "mlp_train", "lstm_ar_train")


def parameters():
    for w in map(workloads.get, workloads.names()):
        if "compile" in w.variants and not w.gpu_only:
            marks = [] if w.name in SHORT else [pytest.mark.rehearsal]
            yield pytest.param(w, id=w.name, marks=marks)


@pytest.mark.parametrize("w", list(parameters()))
def test_every_workload_is_compiled_or_skipped_with_the_reason(w, monkeypatch):
    shrink(monkeypatch)
    case = Case(w.name, batch_size=SMALL.get(w.name, 1 if w.heavy else 4))
    if w.name in NOT_COMPILED:
        with pytest.raises(CaseSkipped, match=r"compile: torch compiles (none of it|[0-9]+% of the operators)"):
            traced(w, case)
        return
    found = traced(w, case)
    assert found.graphs is not None
    assert found.graphs >= 1
    assert found.share is not None
    assert MIN_SHARE <= found.share <= 1.0
