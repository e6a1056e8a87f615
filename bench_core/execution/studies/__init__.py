"""Studies answer questions that the sweep does not. Their rows are stored with a run, as one table per study.

A study is a module here, a row dataclass in ``core/studies.py``, a test with the marker ``bench_study`` in
``benchmarks/`` and a section of the report.
"""
