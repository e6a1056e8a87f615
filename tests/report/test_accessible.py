"""What axe-core, a checker of accessibility, says about a page. It is not part of the project (license: MPL 2.0):

npm pack axe-core && tar xf axe-core-*.tgz
AXE=$PWD/package/axe.min.js python -m pytest tests/report/test_accessible.py
"""

import os
from pathlib import Path

import pytest

from bench_core.report import write
from tests.report.test_browser import RUNS, history_page

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif("AXE" not in os.environ, reason="AXE does not name the file axe.min.js; see this file"),
]

VIOLATIONS = """
const [done] = arguments;
document.querySelectorAll('details').forEach(e => e.open = true);
axe.run(document).then(found => done([found.passes.length, found.violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => `${v.id} (${v.impact}): ${v.nodes.length} times, such as ${v.nodes[0].html.slice(0, 200)}`)]));
"""


@pytest.fixture(scope="module", params=[*RUNS, "history"])
def page(svgs_alone, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("accessible")
    return history_page(folder) if request.param == "history" else write(RUNS[request.param](), folder / "report")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_axe_finds_no_serious_violation(browser, page, scheme, width):
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    browser.set_script_timeout(120)
    browser.get(page.as_uri())
    browser.execute_script(Path(os.environ["AXE"]).read_text(encoding="utf-8"))
    passed, violations = browser.execute_async_script(VIOLATIONS)
    assert passed > 10
    assert violations == []
