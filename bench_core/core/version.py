"""The version of bench-core; it is defined only here."""

__version__ = "0.1.0"
