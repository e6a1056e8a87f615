"""A machine as it is stored: its hardware and software."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """A GPU as torch and its driver report it; memory in bytes."""

    model: str
    memory: int
    compute_capability: str


INCIDENTAL = ("memory", "waiting")
"""Facts in which equal machines differ: nodes of one kind report a few KB more or less memory, and what else runs
decides how threads wait."""


@dataclass(frozen=True)
class Machine:
    """Everything stored about a machine: what determines speed, and nothing that changes from minute to minute.

    ``memory`` is in bytes; ``usable_cpus`` counts the cores that the process may use. ``emulated`` marks GPUs that are
    emulated (``tests/emulated_cuda``): their times mean nothing. ``waiting`` is how torch's CPU threads wait for each
    other (``hardware/waiting.py``); ``None`` where it was not stored.
    """

    cpu: str
    cpu_capability: str
    usable_cpus: int
    logical_cpus: int
    memory: int
    gpus: tuple[Gpu, ...]
    driver: str | None
    cuda: str | None
    cudnn: str | None
    torch: str
    torchvision: str | None
    python: str
    os: str
    kernel: str
    emulated: bool = False
    waiting: str | None = None

    @property
    def slug(self) -> str:
        """A folder name: CPU model and GPU model, or ``no-gpu``."""
        gpu = self.gpus[0].model if self.gpus else "no-gpu"
        return f"{_slugify(self.cpu)}-{self.usable_cpus}cpu_{_slugify(gpu)}"

    @property
    def label(self) -> str:
        """A short name for plots and tables."""
        gpus = f" + {self.gpus[0].model}" if self.gpus else ", no GPU"
        return f"{self.cpu} ({self.usable_cpus} cores){gpus}"

    @property
    def hardware(self) -> str:
        """What stays the same when software is updated; two runs are from the same machine if this is equal."""
        gpus = " + ".join(f"{gpu.model} {gpu.memory}" for gpu in self.gpus) or "no GPU"
        return f"{self.cpu}, {self.usable_cpus} of {self.logical_cpus} CPUs, {gpus}"

    @property
    def software(self) -> str:
        """What determines speed on the same hardware."""
        return f"torch {self.torch}, CUDA {self.cuda}, cuDNN {self.cudnn}, driver {self.driver}, Python {self.python}"


def _slugify(words: str) -> str:
    words = re.sub(r"\((r|tm)\)|@.*|\b(cpu|processor|\d+-core)\b", " ", words.lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
