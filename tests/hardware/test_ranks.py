"""How a process joins the others of a case."""

import pytest

from bench_core.core.errors import CaseError
from bench_core.hardware.ranks import join


def test_a_rank_without_an_accelerator_of_its_own_says_so(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1000")
    with pytest.raises(CaseError, match="rank 1000 of this host needs a cuda device of its own; there are"):
        join("cuda", 1.0)
