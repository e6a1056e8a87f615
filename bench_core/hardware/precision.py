"""What a dtype of the suite means in torch: the fp32 precision of each backend, and autocast; what a CPU computes.

``fp32_precision`` decides. Torch's older switches are set to agree with it: parts of torch still read them (the
compiler of 2.11, under ``tf32``), and torch raises an error if the two contradict each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import torch

R = TypeVar("R")

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
BACKENDS: Mapping[str, Any] = MappingProxyType(
    {
        "cuda.matmul": torch.backends.cuda.matmul,
        "cudnn.conv": torch.backends.cudnn.conv,  # type: ignore[attr-defined]
        "cudnn.rnn": torch.backends.cudnn.rnn,
        "mkldnn.matmul": torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
        "mkldnn.conv": torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
        "mkldnn.rnn": torch.backends.mkldnn.rnn,  # type: ignore[attr-defined]
    }
)


def current() -> dict[str, str]:
    """The current fp32 precision of each backend; ``none`` means that torch's own default applies."""
    return {name: str(backend.fp32_precision) for name, backend in BACKENDS.items()}


OUT_OF_THE_BOX: Mapping[str, str] = MappingProxyType(current())
"""The settings of this torch before anyone changes them: the meaning of dtype ``default``."""


@cache
def settings_for(dtype: str) -> Mapping[str, str]:
    """The fp32 precision of each backend under a dtype of the suite.

    ``tf32`` applies to the GPU's backends only: its counterpart on a CPU is plain fp32.
    """
    if dtype == "default":
        return OUT_OF_THE_BOX
    if dtype == "tf32":
        return {name: "ieee" if name.startswith("mkldnn") else "tf32" for name in BACKENDS}
    return dict.fromkeys(BACKENDS, "ieee")


class Guard:
    """Remembers which precision was set last, because reading torch's flags takes microseconds.

    This is a copy of state that torch itself has per process; two steps of different dtypes may be called in turn.
    """

    active: Mapping[str, str] | None = None

    @classmethod
    def ensure(cls, wanted: Mapping[str, str]) -> None:
        """Make ``wanted`` (precision by backend) the precision of this process."""
        if cls.active is not wanted:
            _set_older_switches(wanted)
            for name, precision in wanted.items():
                BACKENDS[name].fp32_precision = precision
            cls.active = wanted


def _set_older_switches(wanted: Mapping[str, str]) -> None:
    """Each of them also sets some of ``fp32_precision``, so they come first."""
    torch.set_float32_matmul_precision("high" if wanted["cuda.matmul"] == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = wanted["cudnn.conv"] == "tf32"


@contextlib.contextmanager
def preserved() -> Iterator[None]:
    """On exit, restore the precision that was active on entry, whatever was built in between."""
    before = Guard.active
    try:
        yield
    finally:
        if before is not None:
            Guard.ensure(before)


def guarded(fn: Callable[[], R], dtype: str) -> Callable[[], R]:
    """``fn``, always run under the precision of ``dtype``, whatever other steps have set in between."""
    wanted = settings_for(dtype)

    def call() -> R:
        if Guard.active is not wanted:
            Guard.ensure(wanted)
        return fn()

    return call


def autocast(dtype: str, device_type: str) -> contextlib.AbstractContextManager[Any]:
    """The autocast context of a dtype; for a dtype that does not have 16 bits, a context that does nothing."""
    if dtype not in HALF:
        return contextlib.nullcontext()
    return torch.autocast(device_type, dtype=HALF[dtype])


def native_bf16() -> bool:
    """Whether this CPU has instructions for bf16; without them, torch emulates it."""
    return any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


def native_fp16() -> bool:
    """Whether oneDNN has fp16 kernels for this CPU, as with AVX512-FP16; without them torch emulates it."""
    return bool(getattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", bool)())
