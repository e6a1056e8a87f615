"""How cases on one thread are named on this machine."""

from bench_core.hardware.machine import usable_cpus

T1 = "-t1" if usable_cpus() > 1 else ""
"""The end of the name of a case for which one thread was asked for: where there is one core, that is all cores."""
