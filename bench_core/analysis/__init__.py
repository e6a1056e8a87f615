"""From stored runs to comparisons: ratios with intervals and verdicts, speedups, crossovers. Pure functions.

May import ``storage`` and ``core``; never torch.
"""
