"""Data without a download: digits, photos and time series. Generated files are kept in a cache folder.

May import ``kit`` and ``core``.
"""
