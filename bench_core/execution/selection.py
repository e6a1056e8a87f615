"""What a request measures on this machine, and what it leaves out for which reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench_core import workloads
from bench_core.core.case import SWEEPS, Case
from bench_core.core.errors import OptionError
from bench_core.core.records import NotRun, Outcome, Shard
from bench_core.core.text import counted
from bench_core.execution.expected import known_costs, plans
from bench_core.execution.options import Request
from bench_core.execution.schedule import UNKNOWN, Cost, Planned
from bench_core.execution.sharding import Division, divide
from bench_core.hardware import device
from bench_core.workloads.kit.building import why_unsupported
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import candidates, too_heavy

NARROWING = frozenset(f"--bench-{name}" for name in ("batch-size", "dtype", "variant", "caches", "workload", "threads"))
"""Options that make a sweep less than, or other than, one of everything."""
RANKS = (1, 2)
RANKS_OPTION = f"--bench-ranks {','.join(map(str, RANKS))}"
"""What measures work that is divided over processes, on the smallest scale."""


class Selection:
    """The cases and studies of a request that can run here; the rest is noted in ``left_out``."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.left_out: list[NotRun] = []
        self.division: Division | None = None
        self._workloads: dict[Case, Workload] = {}
        self._studies_left = Counter[tuple[str, str]]()

    def cases_of(self, family: str | None = None) -> list[Case]:
        """The cases of a family (or of all) that can be built here; the others are noted with their reasons.

        Raises ``OptionError`` for a family that does not exist.
        """
        families = dict.fromkeys(workload.family for workload in workloads.registry().values())
        if family is not None and family not in families:
            raise OptionError(f"bench_family: no family {family!r}; there are: {', '.join(families)}")
        cases: list[Case] = []
        for workload in self.request.workloads:
            if family is None or workload.family == family:
                cases += self._cases_of(workload)
        return cases

    def _cases_of(self, workload: Workload) -> list[Case]:
        sweep, cases = self.request.sweep, []
        unsupported = Counter[str]()
        for case in candidates(workload, sweep):
            reason = why_unsupported(workload, case)
            if reason:
                unsupported[reason] += 1
            else:
                cases.append(case)
                self._workloads[case] = workload
        for reason, count in unsupported.items():
            self._skip(f"{workload.name} ({_cases(count)})", reason)
        if workload.over_ranks and not sweep.ranks:
            count = len(candidates(workload, replace(sweep, ranks=RANKS)))
            self._skip(f"{workload.name} ({_cases(count)})", f"measured with {RANKS_OPTION}")
        if workload.gpu_only and sweep.devices == ("cpu",):
            count = len(candidates(workload, replace(sweep, devices=("cuda",))))
            why = device.absence("cuda") or "cuda is not among the devices asked for"
            self._skip(f"{workload.name} ({_cases(count)})", f"needs a CUDA device: {why}")
        heavy = [case for case in too_heavy(workload, sweep) if not why_unsupported(workload, case)]
        if heavy:
            self._skip(
                f"{workload.name} ({_cases(len(heavy))})", "too heavy by default; measured with --bench-sweep full"
            )
        return cases

    def _skip(self, what: str, reason: str, study: str | None = None) -> None:
        entry = NotRun(what, Outcome.SKIPPED, reason, study)
        if entry not in self.left_out:  # two tests may sweep the same family
            self.left_out.append(entry)

    def workload_of(self, case: Case) -> Workload:
        """The workload of a case, looked up by name only if the sweep did not make the case."""
        return self._workloads.get(case) or workloads.get(case.workload)

    def plans(self, cases: Iterable[Case], known: Mapping[str, Cost]) -> dict[str, Planned]:
        """The plan of each case, by its name, from what cases are known to take."""
        return plans(cases, self.workload_of, self.request.effort.max_time, known)

    def take_shard(
        self, cases: Sequence[Case], user_tests: Iterable[str], studies: Mapping[str, float], reference: Iterable[Path]
    ) -> list[str]:
        """The names of what this machine measures of a divided sweep: of its cases, user tests and studies (with their
        seconds).

        The ``reference`` runs say what cases take: every checkout has the same, whereas this machine's own runs would
        give another division. Raises ``OptionError`` for fewer cases and user tests than shards.
        """
        index, count = self.request.shard or (1, 1)
        seconds = dict.fromkeys(user_tests, UNKNOWN.seconds(self.request.effort.max_time))
        seconds |= {name: plan.seconds for name, plan in self.plans(cases, known_costs(reference)).items()}
        if len(seconds) < count:
            raise OptionError(f"--bench-shard: {count} shards need as many cases, and there are {len(seconds)}")
        self.division = divide(seconds, studies, count)
        self.note_absences(cases)
        return list(self.division.parts[index - 1])

    @property
    def shard(self) -> Shard | None:
        """The part of a divided sweep that is measured here."""
        return Shard(*self.request.shard, self.division.id) if self.request.shard and self.division else None

    def takes_study(self, name: str, workload: str, sweep: str) -> bool:
        """Whether this run includes a study of a workload, or of the machine itself if ``workload`` is empty.

        If it was asked for, and its workload was; or in a sweep of everything, if the study belongs to a sweep of that
        kind. Those that a sweep of everything leaves out are counted.
        """
        if self.request.studies:
            asked = not workload or workload in (w.name for w in self.request.workloads)
            return name in self.request.studies and asked
        if NARROWING.intersection(self.request.given):
            return False
        if sweep not in SWEEPS[: SWEEPS.index(self.request.sweep.kind) + 1]:
            self._studies_left[name, sweep] += 1
            return False
        return True

    def note_absences(self, cases: Iterable[Case]) -> None:
        """Note the studies that were left out, and what a GPU would add to a sweep of these cases."""
        for (name, sweep), count in self._studies_left.items():
            what = f"{name} ({counted(count, 'study', 'studies')})"
            also = f" or --bench-sweep {sweep}" if sweep in SWEEPS else ""
            self._skip(what, f"measured with --bench-study {name}{also}", study=name)
        absent = self._gpu_cases(cases) if device.present() == ("cpu",) else 0
        if absent and "--bench-device" not in self.request.given:
            absence = device.absence("cuda") or ""
            self.left_out.append(NotRun(f"cuda ({_cases(absent)})", Outcome.NOT_RUN, absence))

    def _gpu_cases(self, cases: Iterable[Case]) -> int:
        """How many cases a GPU would add to these families, apart from the workloads that need one, listed already."""
        families = {self.workload_of(case).family for case in cases}
        on_gpu = replace(self.request.sweep, devices=("cuda",))
        members = (w for w in self.request.workloads if w.family in families and not w.gpu_only)
        return sum(len(candidates(workload, on_gpu)) for workload in members)


def _cases(count: int) -> str:
    return counted(count, "case", "cases")
