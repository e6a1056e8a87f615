"""Plain data and arithmetic: cases, results, records, statistics, words for numbers.

May import the standard library and numpy; nothing else of bench-core, and never torch.
"""
