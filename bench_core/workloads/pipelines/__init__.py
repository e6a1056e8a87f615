"""Whole pipelines whose parts are timed apart: loading, moving, computing."""
