"""Errors and outcomes that several layers share.

``BenchError`` is the base of everything that bad input can cause. The command line turns it into one line and exit code
2; any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations


class BenchError(ValueError):
    """Bad input; the message is one line that names what is wrong and how to fix it."""


class OptionError(BenchError):
    """An option with a value that does not exist or makes no sense."""


class CaseError(BenchError):
    """A case that names something that does not exist, or that this machine has no device for."""


class DefinitionError(BenchError):
    """A workload whose declaration lacks something or contradicts itself."""


class DataError(BenchError):
    """A folder of data sets without usable files."""


class StorageError(BenchError):
    """A place that cannot be written to."""


class RecordError(BenchError):
    """Stored data that cannot be used."""


class NewerSchemaError(RecordError):
    """Stored data written by a newer bench-core than this one."""


class ReportError(BenchError):
    """A report that cannot be made or written."""


class ParityError(ValueError):
    """A step that does not compute what its float64 reference computes; its timing would be meaningless."""


class NotFiniteError(ValueError):
    """A step whose output holds infinities or NaNs; its timing would be meaningless."""


class CaseSkipped(Exception):  # noqa: N818 - an outcome, not an error
    """A case that this machine cannot run; the message is the reason."""
