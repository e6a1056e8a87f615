from collections.abc import Callable

import pytest


@pytest.fixture
def print_line(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line with the figures of a proof, past pytest's capture."""
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    assert terminal is not None
    assert capture is not None

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)

    return write
