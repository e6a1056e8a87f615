"""Errors and outcomes that several layers share.

``BenchError`` is the base class of every error that bad input can cause. The command line prints it as one line and
exits with code 2. Any other exception is a bug in bench-core and keeps its traceback.
"""

from __future__ import annotations


class BenchError(ValueError):
    """Bad input; the message is one line that names what is wrong and how to fix it."""


class OptionError(BenchError):
    """An option whose value does not exist or is invalid."""


class CaseError(BenchError):
    """A case that names something that does not exist, or for which this machine has no device."""


class DefinitionError(BenchError):
    """A workload whose declaration is incomplete or contradicts itself."""


class DataError(BenchError):
    """A folder of data or weights without usable files."""


class MissingExtraError(BenchError):
    """An optional package that is not installed."""


class StorageError(BenchError):
    """A location that cannot be written to."""


class RecordError(BenchError):
    """Stored data that cannot be used."""


class NewerSchemaError(RecordError):
    """Stored data written by a newer bench-core than this one."""


class ReportError(BenchError):
    """A report that cannot be generated or written."""


class GateError(BenchError):
    """A gate that cannot be run, as one of its sides cannot collect its tests."""


class CounterError(BenchError):
    """A counter of the hardware that cannot be read; the message is the reason."""


class ParityError(ValueError):
    """A step that does not compute what its float64 reference computes; its timing would be meaningless."""


class NotFiniteError(ValueError):
    """A step whose output contains infinities or NaNs; its timing would be meaningless."""


class CaseProcessError(RuntimeError):
    """A case whose own process crashed, did not end in time, or raised an error that is none of the above.

    The first line of the message is the reason. Further lines are those of a traceback or of standard error.
    """


class CaseSkipped(Exception):  # noqa: N818 - an outcome, not an error
    """A case that this machine cannot run; the message is the reason."""
