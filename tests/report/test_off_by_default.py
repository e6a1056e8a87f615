"""What is off by default in torch is named in the report: what was measured with it, and what was not."""

from __future__ import annotations

from typing import Any

from bench_core.core.case import Case
from bench_core.core.tunings import TUNINGS
from bench_core.report.content import analyze, content
from bench_core.report.glossary import TERMS
from tests.support import factory

CPU, GPU = "measured on the CPU: ", "measured on the GPU: "


def page(*cases: Case) -> Any:
    return content(analyze([factory.run([factory.record(case) for case in cases])]))


def note(notes: tuple[str, ...], beginning: str) -> tuple[str, str]:
    """What was measured, and what was not."""
    (words,) = [words for words in notes if beginning in words]
    measured, _, missing = words.partition(beginning)[2].partition(". Not measured, so that it may do better: ")
    return measured.removesuffix("."), missing.removesuffix(".")


def test_what_was_measured_is_named_and_what_was_not() -> None:
    report = page(Case("w"), Case("w", variant="compile+max_autotune"), Case("w", dtype="bf16"))
    measured, missing = note(report.notes, CPU)
    assert measured == "compile, compile+max_autotune, bf16"
    assert missing == "channels_last, fused, compile+freezing"


def test_gpu_has_what_a_cpu_does_not_have_and_the_notes_are_beside_best_against_best() -> None:
    report = page(Case("w"), Case("w", "cuda"), Case("w", "cuda", variant="cudnn_benchmark"))
    assert report.best is not None
    assert note(report.best.notes, CPU)[0] == "nothing"
    measured, missing = note(report.best.notes, GPU)
    assert measured == "cudnn_benchmark"
    assert "cuda_graph" in missing
    assert "cuda_graph" not in note(report.best.notes, CPU)[1]
    assert not [words for words in report.notes if CPU in words]


def test_best_against_best_takes_tuned_cases() -> None:
    slow, fast = factory.record(Case("w", "cuda"), 2e-3), factory.record(Case("w", "cuda", variant="fused"), 1e-3)
    analysis = analyze([factory.run([factory.record(Case("w"), 4e-3), slow, fast])])
    (row,) = analysis.best
    assert row.contender is not None
    assert row.contender.case.variant == "fused"


def test_every_tuning_is_in_the_glossary() -> None:
    assert {name: tuning.about for name, tuning in TUNINGS.items()}.items() <= dict(TERMS).items()
