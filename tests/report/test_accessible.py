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
axe.run(document).then(found => done(found.violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => `${v.id} (${v.impact}): ${v.nodes.length} times, such as ${v.nodes[0].html.slice(0, 200)}`)));
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", [*RUNS, "history"])
def test_axe_finds_no_serious_violation(browser, which, scheme, tmp_path):
    page = history_page(tmp_path) if which == "history" else write(RUNS[which](), tmp_path / "report")
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    browser.set_script_timeout(120)
    browser.get(page.as_uri())
    browser.execute_script(Path(os.environ["AXE"]).read_text(encoding="utf-8"))
    assert browser.execute_async_script(VIOLATIONS) == []
