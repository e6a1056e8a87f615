"""What torch can do to the same work to make it faster, and leaves off by default. A tuning is declared here alone.

It is a part of a variant that no workload has to declare: every workload has it where its conditions hold. What it does
to a step is in ``workloads/kit/tuning.py`` and ``workloads/kit/compiling.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_KINDS = {"train": "training", "infer": "inference", "op": "operators", "pipeline": "pipelines"}


@dataclass(frozen=True)
class Tuning:
    """A tuning: its ``name`` as a part of a variant, and ``about``, a sentence for people.

    It exists for these ``kinds`` of work and these types of devices; empty means all. ``joins`` is the part of a
    variant that it changes, and without which it does nothing.
    """

    name: str
    about: str
    kinds: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    joins: str = ""

    @property
    def variant(self) -> str:
        """The shortest variant that has it."""
        return f"{self.joins}+{self.name}" if self.joins else self.name

    def why_not(self, kind: str, device_type: str, parts: Collection[str]) -> str | None:
        """The reason why work of a kind has no such variant, which consists of ``parts``, on a type of devices;
        ``None`` if it may have it."""
        if self.kinds and kind not in self.kinds:
            return f"{self.name} is a variant of {' and '.join(_KINDS[own] for own in self.kinds)} only"
        if self.devices and device_type not in self.devices:
            return f"{self.name} exists on {' and '.join(self.devices)} devices only, not on {device_type}"
        if self.joins and self.joins not in parts:
            return f"{self.name} changes {self.joins} and does nothing without it: ask for {self.variant}"
        return None


TUNINGS: Mapping[str, Tuning] = MappingProxyType(
    {
        tuning.name: tuning
        for tuning in (
            Tuning(
                "fused",
                "The optimizer updates all weights in one kernel. By default torch loops over them on a CPU, and on a "
                "GPU does one operation after another on all of them (foreach).",
                kinds=("train",),
            ),
            Tuning(
                "cudnn_benchmark",
                "torch.backends.cudnn.benchmark: cuDNN tries its algorithms for each new convolution and keeps the "
                "fastest. By default it chooses one without trying.",
                devices=("cuda",),
            ),
            Tuning(
                "max_autotune",
                "torch.compile in the mode max-autotune-no-cudagraphs: several versions of matrix products and "
                "convolutions are compiled and measured, and the fastest is kept.",
                joins="compile",
            ),
            Tuning(
                "freezing",
                "torch.compile takes the weights of inference for constants: it folds batch norms into convolutions "
                "and, on a CPU, stores weights in the blocks that oneDNN reads.",
                kinds=("infer",),
                joins="compile",
            ),
        )
    }
)
"""By name, in the order in which the parts of a variant are written."""
