"""From stored runs to comparisons: ratios with confidence intervals and verdicts, speedups, crossovers. Pure functions.

May import ``storage`` and ``core``; never torch.
"""
