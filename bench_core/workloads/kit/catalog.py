"""The workloads as a page of Markdown, from their declarations. No model is built for it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

from bench_core.core import text
from bench_core.core.case import DTYPES, SWEEPS, VARIANTS
from bench_core.core.tunings import TUNINGS
from bench_core.workloads.kit.definition import Workload, default_dtypes
from bench_core.workloads.kit.sweep import Sweep, candidates

COMMAND = "python -m bench_core list --markdown > docs/workloads.md"
DEVICE_NAMES = {"cpu": "a CPU", "cuda": "a GPU"}
INTRODUCTION = """\
# The workloads

This page is generated from the declarations in `bench_core/workloads/` by
`{command}`. Do not edit it by hand.

- **Unit**: what a workload counts, such as an image, a series or an element. **FLOPs** are the floating-point
  operations per unit; a multiply-add counts as 2. For training they include the forward and the backward pass, but not
  the optimizer.
- **Known in advance**: from the source, or calculated by hand. If FLOPs and parameters are known, every case is checked
  against them before it is timed; tests check the rest.
- **Expected regime**: what the work is *expected* to be bound by, and why; the reports show what was measured.
  *Arithmetic*: the device computes at its full speed. *Memory bandwidth*: the device waits for data to be read and
  written. *Launches*: a GPU gets its work as small programs, called kernels, and launching each takes a few
  microseconds, however little it computes. *Python*: the interpreter, and torch's work around an operator, take longer
  than its arithmetic.
- **float64**: the first call of a case is checked against the same work in float64 on a CPU. If a workload cannot be
  checked, its entry says why.
- **16 bits**: in bf16 and fp16, inference and operators have their weights and inputs stored in the dtype, as they are
  deployed, and a call casts nothing. Training in bf16 runs under `torch.autocast`, which casts weights and inputs in
  each call. The variant `autocast` runs inference and operators under autocast, too.
- **Sweeps**: the default sweep runs every case in fp32 and eager mode on all CPU cores, and that of the reference batch
  on one thread too. A full sweep runs every setting at every batch size. Other dtypes and variants run on request.
  Unless stated otherwise, a workload has the dtypes {dtypes} (for training without fp16) and
  the variants {variants}.
- **Tunings** change how torch does the same work, and are off by default. They are joined to a variant by `+`, and need
  not be declared:
{tunings}
"""


TIMES = """\
## The default sweep

The batch sizes of each workload's first setting, and the seconds that all its cases of the default sweep took together,
with build and parity check, in the newest run under `results/reference/` that has them. On a machine without a GPU,
workloads that take long are measured at their first batch size only."""

Seconds = Mapping[tuple[str, str], float]
"""How long a sweep took for a workload on a device, by their names."""


def markdown(workloads: Iterable[Workload], seconds: Seconds = MappingProxyType({})) -> str:
    """The page: an introduction, a table of all workloads, one of their batch sizes with the ``seconds`` of a sweep,
    and a section for each family."""
    by_family = sorted(workloads, key=lambda w: w.family)
    introduction = INTRODUCTION.format(
        command=COMMAND, dtypes=_listed(DTYPES), variants=_listed(VARIANTS), tunings=tunings()
    ).rstrip()
    sections = [
        f"## Family: {family}\n\n" + "\n\n".join(map(entry, members))
        for family, members in groupby(by_family, key=lambda w: w.family)
    ]
    return "\n\n".join((introduction, table(by_family), TIMES, sweep_table(by_family, seconds), *sections))


def tunings() -> str:
    """A line for each tuning."""
    return "\n".join(_wrapped(f"  - `{t.variant}`: {t.about}", indent="    ") for t in TUNINGS.values())


def table(workloads: Iterable[Workload]) -> str:
    """One line per workload, with a link to its entry."""
    lines = ["| workload | what | unit | FLOPs per unit | parameters |", "| --- | --- | --- | ---: | ---: |"]
    for w in workloads:
        figures = text.whole(w.known_costs.flops), text.whole(w.known_costs.parameters)
        lines.append(f"| [{w.name}](#{w.name}) | {w.summary} | {w.unit} | {figures[0]} | {figures[1]} |")
    return "\n".join(lines)


def sweep_table(workloads: Iterable[Workload], seconds: Seconds) -> str:
    """One line per workload: its batch sizes on each device, and what they take."""
    lines = ["| workload | on a CPU | seconds | on a GPU | seconds |", "| --- | --- | ---: | --- | ---: |"]
    for w in (w for w in workloads if not w.over_ranks):
        cells = [f"[{w.name}](#{w.name})"]
        for device in DEVICE_NAMES:
            sizes = next(iter(batches(w, device, SWEEPS[0]).values()), ())
            took = seconds.get((w.name, device))
            cells += [_numbers(sizes) or "none", f"{took:.1f}" if took else "not measured" if sizes else text.NONE]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def entry(w: Workload) -> str:
    """Everything that a workload declares."""
    return f"### {w.name}\n\n{_wrapped(w.summary)}\n\n" + "\n".join(
        _wrapped(f"- **{what}**: {_sentence(words)}", indent="  ") for what, words in _facts(w) if words
    )


def _facts(w: Workload) -> Iterator[tuple[str, str]]:
    yield "Source", w.source
    yield "Known in advance", w.known_costs.description
    yield "Cost", cost(w)
    for device in DEVICE_NAMES:
        yield f"Batch sizes on {DEVICE_NAMES[device]}", swept(w, device)
    yield "Ranks", "on request, with `--bench-ranks 1,2`" if w.over_ranks else ""
    yield "Reference batch", text.whole(w.reference_batch)
    yield "Weights", f"random, or with `--bench-weights` those of `{w.weights}-*.pth`" if w.weights else ""
    yield "Dtypes", _listed(w.dtypes) if w.dtypes != default_dtypes(w.kind) else ""
    yield "Variants", _listed(w.variants) if w.variants != VARIANTS else ""
    yield "Expected regime", w.regime
    yield "Not checked against float64", w.no_parity


def cost(w: Workload) -> str:
    """FLOPs per unit and parameters, if there are any, for the first setting."""
    flops, parameters = w.known_costs.flops, w.known_costs.parameters
    costs = [
        f"{text.whole(flops)} {'FLOP' if flops == 1 else 'FLOPs'} per unit ({w.unit})"
        if flops
        else f"FLOPs not defined; unit: {w.unit}"
    ]
    if parameters:
        costs.append(f"{text.whole(parameters)} parameters")
    if w.settings and (flops or parameters):
        costs.append(f"{'both ' if flops and parameters else ''}for setting {w.first_setting}")
    return "; ".join(costs)


def swept(w: Workload, device: str) -> str:
    """The batch sizes of the default sweep, by setting, and what a full sweep adds."""
    default, full = (batches(w, device, kind) for kind in SWEEPS)
    if not full:
        return "none: not defined for this device"
    parts = [
        (f"{_listed(settings)} at " if any(settings) else "") + _numbers(sizes)
        for sizes, settings in _alike(default).items()
    ]
    added = sorted({b for sizes in full.values() for b in sizes} - {b for sizes in default.values() for b in sizes})
    if added:
        parts.append(f"only in a full sweep: {_numbers(added)}")
    if default and (late := [setting for setting in full if setting not in default]):
        parts.append(f"settings only in a full sweep: {_listed(late)}")
    return "; ".join(parts)


def batches(w: Workload, device: str, kind: str) -> dict[str, tuple[int, ...]]:
    """The batch sizes of a sweep for each setting; empty if there are none for the device."""
    by_setting: dict[str, tuple[int, ...]] = {}
    for case in candidates(w, Sweep(tuple(DEVICE_NAMES), usable_cpus=1, ranks=(1,), kind=kind)):
        if case.device != device:
            continue
        by_setting[case.setting] = (*by_setting.get(case.setting, ()), case.batch_size)
    return by_setting


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
