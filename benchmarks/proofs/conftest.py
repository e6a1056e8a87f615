import pytest


@pytest.fixture
def tell(request):
    """Print one line a proof with its figure, past pytest's capture."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def line(words):
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(words)

    return line
