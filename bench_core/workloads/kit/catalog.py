"""The workloads as a page of Markdown: what each says of itself. No model is built for it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from bench_core.core import text
from bench_core.core.case import DEVICES, DTYPES, SWEEPS, VARIANTS
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import Sweep, candidates

COMMAND = "python -m bench_core list --markdown > docs/workloads.md"
DEVICE_NAMES = {"cpu": "a CPU", "cuda": "a GPU"}
INTRODUCTION = """\
# The workloads

What the workloads of `bench_core/workloads/` say of themselves, put together by
`{command}`.

- A **unit** is what a workload counts: an image, a series, an element. Its **FLOPs** are the floating-point operations
  of one unit, 2 for a multiplication and the addition of its product; in training those of the forward and the
  backward pass, the optimizer's left out.
- **Known costs** are known in advance, from the source or by hand. Where FLOPs and parameters are known, a case is
  checked against them before it is timed; what else they state is tested.
- A **regime** is what the time is *expected* to go into, and why; what was measured stands in the reports.
  *Arithmetic*: the device computes as fast as it can. *Memory bandwidth*: it waits for numbers to be read and written.
  *Launches*: a GPU is given its work in small pieces, called kernels, and each costs some microseconds to hand over,
  however little there is to compute. *Python*: the interpreter, and what torch does around an operation, take longer
  than the operation itself.
- The first call of a case is held against the same work in **float64** on a CPU; where that cannot be done, the
  workload says why.
- The **default sweep** runs every case in fp32 and eager mode with all cores of the CPU. A full sweep runs every
  setting at every batch size. Other dtypes and variants are run on request; where nothing else is said, there are the
  dtypes {dtypes} (in training without fp16)
  and the variants {variants}.
"""


def markdown(workloads: Iterable[Workload]) -> str:
    """The page: an introduction, a table of all workloads, and a section for each family."""
    found = sorted(workloads, key=lambda w: w.family)
    introduction = INTRODUCTION.format(command=COMMAND, dtypes=_listed(DTYPES), variants=_listed(VARIANTS)).rstrip()
    sections = [
        f"## Family: {family}\n\n" + "\n\n".join(map(entry, members))
        for family, members in groupby(found, key=lambda w: w.family)
    ]
    return "\n\n".join((introduction, table(found), *sections))


def table(workloads: Iterable[Workload]) -> str:
    """A line a workload, with a link to its entry."""
    lines = ["| workload | what | unit | FLOPs a unit | parameters |", "| --- | --- | --- | ---: | ---: |"]
    for w in workloads:
        figures = text.whole(w.known_costs.flops), text.whole(w.known_costs.parameters)
        lines.append(f"| [{w.name}](#{w.name}) | {w.summary} | {w.unit} | {figures[0]} | {figures[1]} |")
    return "\n".join(lines)


def entry(w: Workload) -> str:
    """All that a workload says of itself."""
    return f"### {w.name}\n\n{_wrapped(w.summary)}\n\n" + "\n".join(
        _wrapped(f"- **{what}**: {_sentence(words)}", indent="  ") for what, words in _facts(w) if words
    )


def _facts(w: Workload) -> Iterator[tuple[str, str]]:
    yield "Source", w.source
    yield "Known costs", w.known_costs.description
    yield "Cost", cost(w)
    for device in DEVICES:
        yield f"Batch sizes on {DEVICE_NAMES[device]}", swept(w, device)
    yield "Reference batch", text.whole(w.reference_batch)
    usual = tuple(d for d in DTYPES if not (w.kind == "train" and d == "fp16"))
    yield "Dtypes", _listed(w.dtypes) if w.dtypes != usual else ""
    yield "Variants", _listed(w.variants) if w.variants != VARIANTS else ""
    yield "Expected regime", w.regime
    yield "Not held against float64", w.no_parity


def cost(w: Workload) -> str:
    """FLOPs a unit and parameters, where there are any; they are those of the first setting."""
    flops, parameters = w.known_costs.flops, w.known_costs.parameters
    figures = [f"{text.whole(flops)} FLOPs a unit, the {w.unit}" if flops else f"FLOPs not defined; unit {w.unit}"]
    if parameters:
        figures.append(f"{text.whole(parameters)} parameters")
    if w.settings and (flops or parameters):
        figures.append(f"both with {w.first_setting}" if flops and parameters else f"with {w.first_setting}")
    return "; ".join(figures)


def swept(w: Workload, device: str) -> str:
    """The batch sizes of the default sweep, by setting, and what a full sweep adds to them."""
    default, full = (batches(w, device, kind) for kind in SWEEPS)
    if not full:
        return "none: it is not defined there"
    parts = [
        (f"{_listed(settings)} at " if any(settings) else "") + _numbers(sizes)
        for sizes, settings in _alike(default).items()
    ]
    added = sorted({b for sizes in full.values() for b in sizes} - {b for sizes in default.values() for b in sizes})
    if added:
        parts.append(f"only in a full sweep {_numbers(added)}")
    if default and (late := [setting for setting in full if setting not in default]):
        parts.append(f"only in a full sweep the settings {_listed(late)}")
    return "; ".join(parts)


def batches(w: Workload, device: str, kind: str) -> dict[str, tuple[int, ...]]:
    """The batch sizes of a sweep for each setting; empty where a device has none."""
    found: dict[str, tuple[int, ...]] = {}
    for case in candidates(w, Sweep((device,), usable_cpus=1, kind=kind)):
        found[case.setting] = (*found.get(case.setting, ()), case.batch_size)
    return found


def _alike(by_setting: dict[str, tuple[int, ...]]) -> dict[tuple[int, ...], list[str]]:
    groups: dict[tuple[int, ...], list[str]] = {}
    for setting, sizes in by_setting.items():
        groups.setdefault(sizes, []).append(setting)
    return groups


def _numbers(sizes: Iterable[int]) -> str:
    return " · ".join(map(text.whole, sizes))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _wrapped(words: str, indent: str = "") -> str:
    return textwrap.fill(words, 120, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
