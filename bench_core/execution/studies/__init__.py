"""Studies: questions asked beside the sweep, whose rows are stored with a run as a table of their own.

A study is a module here, a row dataclass in ``core/studies.py``, a test with the marker ``bench_study`` in
``benchmarks/`` and a section of the report.
"""
