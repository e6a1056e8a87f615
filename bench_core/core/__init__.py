"""Plain data and arithmetic: cases, results, records, statistics, numbers as text.

May import the standard library and numpy, but nothing else of bench-core, and never torch.
"""
