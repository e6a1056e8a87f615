"""What several ranks give over one, and what moving data between them reaches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from bench_core.analysis.comparison import Result
from bench_core.core.case import Case
from bench_core.core.records import Record
from bench_core.core.stats import Interval, ratio_interval

ScalingKind = Literal["strong", "weak"]
"""Strong: all ranks together do the work that one did. Weak: each rank does as much as one did."""


@dataclass(frozen=True)
class Scaling:
    """Several ranks (``over``) against one (``base``), with the same number of threads a rank."""

    kind: ScalingKind
    base: Result
    over: Result

    @property
    def ranks(self) -> int:
        """The number of ranks."""
        return self.over.case.ranks or 1

    @property
    def speedup(self) -> float:
        """The ratio of units per second. With perfect scaling it is the number of ranks, weak or strong."""
        return self.base.record.per_unit / self.over.record.per_unit

    @property
    def interval(self) -> Interval | None:
        """The confidence interval of the speedup, from the samples within each process; ``None`` if a side has none."""
        base, over = self.base, self.over
        if not (base.interval and over.interval and base.record.timing.confidence == over.record.timing.confidence):
            return None
        return ratio_interval(base.record.per_unit, base.interval, over.record.per_unit, over.interval)

    @property
    def efficiency(self) -> float:
        """The speedup per rank: 1 where nothing is lost."""
        return self.speedup / self.ranks

    @property
    def efficiency_interval(self) -> Interval | None:
        """The confidence interval of the efficiency."""
        return self.interval and (self.interval[0] / self.ranks, self.interval[1] / self.ranks)

    @property
    def contended(self) -> bool:
        """Whether other work disturbed a side."""
        return self.base.record.contended or self.over.record.contended


def scalings(results: Iterable[Result]) -> tuple[Scaling, ...]:
    """Every result of training or inference over several ranks against one rank of the same machine and threads: at the
    same batch (strong), and at the batch that gives one rank as many rows (weak)."""
    divided = {_key(result, result.case): result for result in results if result.case.ranks and _is_divided(result)}
    pairs = []
    for result in divided.values():
        ranks = result.case.ranks or 1
        alone = replace(result.case, ranks=1, nodes=1)
        strong = divided.get(_key(result, alone))
        weak = divided.get(_key(result, replace(alone, batch_size=alone.batch_size // ranks)))
        if ranks > 1 and strong:
            pairs.append(Scaling("strong", strong, result))
        if ranks > 1 and weak and result.case.batch_size % ranks == 0:
            pairs.append(Scaling("weak", weak, result))
    return tuple(pairs)


def _is_divided(result: Result) -> bool:
    """Whether the ranks share work that one could do alone, as they do not in a collective."""
    return result.record.kind != "op"


def _key(result: Result, case: Case) -> tuple[str, Case]:
    return result.machine.hardware, case


def bus_bandwidth(record: Record) -> float | None:
    """Bytes per second over the slowest link, as nccl-tests defines it, which does not depend on the number of ranks;
    ``None`` for work without such a definition, and on one rank."""
    if record.ranks is None or record.ranks.bus_bytes is None:
        return None
    return record.ranks.bus_bytes / record.timing.median
