"""What the tests of workloads share."""

import pytest

from tests.support.feeds import Fed, record_feeds


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> Fed:
    """The batches of the step that was built last."""
    return record_feeds(monkeypatch)
