"""Measures how long a call takes: clocks, sampling, the stopping rule, and the stages of a pipeline.

May import ``hardware`` and ``core``; does not use workloads or storage.
"""
