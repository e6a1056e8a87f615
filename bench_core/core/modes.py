"""What a dtype of 16 bits and the variant ``compile`` mean for a case: how it computes, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench_core.core.errors import RecordError


class Casting(StrEnum):
    """How a case computes in 16 bits.

    ``STORED``: weights and inputs are stored in the dtype, and a call casts nothing. ``AUTOCAST``: they are stored in
    fp32, and ``torch.autocast`` casts them in each call.
    """

    STORED = "stored"
    AUTOCAST = "autocast"


@dataclass(frozen=True)
class Casts:
    """How a case of 16 bits computes, and how many numbers a call casts from one floating-point dtype to another:
    ``weights`` of the models, and ``others`` (inputs, activations, gradients). Both are ``None`` if not counted."""

    mode: Casting
    weights: int | None = None
    others: int | None = None


@dataclass(frozen=True)
class Compilation:
    """What compiling a case cost, and how much of the work is compiled.

    ``seconds`` were spent in the compiler (``None`` if this torch does not report them). ``graphs`` is the number of
    compiled graphs, ``graph_breaks`` that of the places where one had to end early. ``share`` is the share of the
    operators of the models' forward passes (of the whole call, if the step has no model) that are in these graphs;
    operators that only make a view do not count. Both are ``None`` where they were not stored.
    """

    seconds: float | None
    graph_breaks: int
    graphs: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None and not 0.0 <= self.share <= 1.0:
            raise RecordError(f"share: {self.share} is not between 0 and 1")
