"""Results of other tools as values of series."""

from bench_core.storage.importing.imported import Imported

__all__ = ["Imported"]
