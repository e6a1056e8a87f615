"""How torch's CPU threads wait for each other: spinning, or giving the core up.

torch's OpenMP runtime lets a thread that waits spin for some milliseconds. On a quiet machine this is the fastest way.
Beside another busy process it is the slowest: where a spinning thread holds the core of a thread that works, a parallel
region lasts until the scheduler's next tick. The runtime reads its policy once, when torch is loaded. So the policy is
chosen before that, by looking whether other work is running.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

import psutil

from bench_core.hardware.affinity import allowed_cpus

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""The environment variables by which a user chooses a policy: OpenMP's own, GNU's, and those of LLVM and Intel."""
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
BUSY_CORES = 0.25
"""Other work on more than this many cores makes waiting threads passive."""
DEFAULT = "torch's default"


def policy(environ: Mapping[str, str] = os.environ) -> str:
    """The waiting policy of this process, such as ``OMP_WAIT_POLICY=passive``; ``torch's default`` without one."""
    return ", ".join(f"{name}={environ[name]}" for name in CHOICES if environ.get(name)) or DEFAULT


def choose(environ: MutableMapping[str, str], busy_cores: float) -> None:
    """Make waiting threads passive beside other work, unless the user chose a policy."""
    if policy(environ) == DEFAULT and busy_cores > BUSY_CORES:
        environ.update(PASSIVE)


def busy_cores(seconds: float = 0.5) -> float:
    """How many of the cores that this process may use are busy with other work, while this process sleeps."""
    allowed, shares = allowed_cpus(), psutil.cpu_percent(seconds, percpu=True)
    return sum(share for cpu, share in enumerate(shares) if allowed is None or cpu in allowed) / 100.0


def can_choose() -> bool:
    """Whether a policy set now takes effect: torch, which reads it once, is not loaded yet."""
    return "torch" not in sys.modules
