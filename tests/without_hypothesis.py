"""Stands in for hypothesis where it is not installed: tests of properties are skipped, the others still run."""

import sys
from unittest.mock import MagicMock

import pytest


def given(*_strategies, **_named):
    """Instead of the test, one that is skipped with the reason."""

    def skipped(_test):
        @pytest.mark.skip(reason="hypothesis is not installed")
        def test(*_):
            """Skipped."""

        return test

    return skipped


def settings(*_given, **_named):
    """The test as it is."""
    return lambda test: test


def stand_in():
    """Put the stand-in in hypothesis' place."""
    module = MagicMock(given=given, settings=settings)
    for name in ("hypothesis", "hypothesis.strategies", "hypothesis.extra", "hypothesis.extra.numpy"):
        sys.modules[name] = module
