"""What courses and tutorials commonly claim, and what was measured for each claim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.core.case import Case, device_title
from bench_core.core.records import Run
from bench_core.core.studies import TimeToAccuracy
from bench_core.core.text import counted
from bench_core.report.sections.study import Study, by_workload, cpu_and_gpu
from bench_core.report.tables.table import Column, table

NAME = "What courses claim"
NETWORKS = ("cnn_mnist_train", "mlp_train")
"""A convolutional network and one without convolutions, on the same images."""
_BOTH = " and ".join(NETWORKS)


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured for it if anything was, and what would have to be."""

    text: str
    measured: str | None
    needs: str

    @property
    def answer(self) -> str:
        """What was measured, or what is missing."""
        return self.measured or f"Not measured: {self.needs}."


def claims(runs: Sequence[Run], results: Sequence[Result], primary: Sequence[Curve]) -> Study | None:
    """The section; ``None`` if nothing was measured for any claim."""
    both = "no training until a target accuracy on both devices (--bench-sweep full)"
    checked = (
        Claim("A GPU is tens to hundreds of times faster.", _speedups(primary), "no workload on both devices"),
        Claim("The accuracy differs between CPU and GPU.", _accuracies(runs), both),
        Claim("CNNs are faster than plain networks (ANNs).", _networks(results), f"no batch size of {_BOTH}"),
    )
    if not any(claim.measured for claim in checked):
        return None
    columns: tuple[Column[Claim], ...] = (
        Column("Claim", lambda claim: claim.text),
        Column("What was measured here", lambda claim: claim.answer),
    )
    rows = table("Claims", columns, checked)
    about = "Sentences from beginners' courses on deep learning, and what this report's results say about them."
    return Study(NAME, about, (), (), (rows,) if rows else ())


def _speedups(primary: Iterable[Curve]) -> str | None:
    peaks = sorted(curve.peak.ratio for curve in primary if curve.peak and curve.peak.ratio)
    if not peaks:
        return None
    return (
        f"The largest matched speedups of {counted(len(peaks), 'workload', 'workloads')} are between "
        f"{text.ratio(peaks[0])} and {text.ratio(peaks[-1])}: {sum(peak >= 10.0 for peak in peaks)} of at least 10×, "
        f"{sum(peak >= 100.0 for peak in peaks)} of at least 100×, {sum(peak < 1.0 for peak in peaks)} below 1."
    )


def _accuracies(runs: Iterable[Run]) -> str | None:
    """The accuracies of the newest run that trained on both devices until a target."""
    for run in sorted(runs, key=lambda run: run.info.started, reverse=True):
        pairs = {name: cpu_and_gpu(rows) for name, rows in by_workload(run.info.rows(TimeToAccuracy)).items()}
        words = [
            f"{name}: {text.share(both[0].accuracy)} on the CPU, {text.share(both[1].accuracy)} on the GPU"
            for name, both in pairs.items()
            if both
        ]
        if words:
            return (
                f"Test accuracy after training to the same target: {'; '.join(words)}. The two round differently, as "
                "two seeds would; in one step both agree with float64 within the tolerance."
            )
    return None


def _networks(results: Iterable[Result]) -> str | None:
    """The time per image of both networks at the largest batch size that both have, on each device."""
    times: dict[str, dict[str, dict[int, float]]] = {}
    for result in results:
        if result.case.workload in NETWORKS and _simple(result.case) and not result.record.contended:
            by_batch = times.setdefault(result.case.device_type, {}).setdefault(result.case.workload, {})
            by_batch[result.case.batch_size] = result.record.per_unit
    words = []
    for device, networks in times.items():
        cnn, plain = (networks.get(name, {}) for name in NETWORKS)
        if both := sorted({*cnn} & {*plain}):
            ratio = cnn[both[-1]] / plain[both[-1]]
            words.append(f"{text.ratio(ratio)} as long on the {device_title(device)} at batch size {both[-1]}")
    if not words:
        return None
    return f"Training on an image takes the CNN ({NETWORKS[0]}) {', '.join(words)}, compared with {NETWORKS[1]}."


def _simple(case: Case) -> bool:
    return case.plain and not case.setting and case.threads is None
