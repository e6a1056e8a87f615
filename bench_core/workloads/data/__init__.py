"""Data without a download: digits, photos and time series, kept in a cache folder where they are made.

May import ``kit`` and ``core``.
"""
