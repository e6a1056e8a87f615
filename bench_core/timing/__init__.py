"""How long a call takes: clocks, sampling, when to stop, and the stages of a pipeline.

May import ``hardware`` and ``core``; knows neither workloads nor storage.
"""
