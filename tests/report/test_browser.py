"""The page in a real browser: nothing overflows sideways, every image loads, and no request leaves the machine."""

import json

import pytest

from bench_core.analysis.history.steps import find_steps
from bench_core.core.records import NotRun, Outcome
from bench_core.report import history, write
from tests.support import factory
from tests.support.values import collected, noisy, values

WIDER_THAN_THE_PAGE = """
const inside = e => e.parentElement && (e.parentElement.closest('.scroll') !== null);
return [...document.querySelectorAll('body *')]
  .filter(e => !inside(e) && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > window.innerWidth + 0.5 || e.getBoundingClientRect().left < -0.5)
  .map(e => e.tagName + '.' + e.className + ': ' + e.textContent.trim().slice(0, 60));
"""


RUNS = {
    "gpu": lambda: [
        factory.run([*factory.sweep(), *factory.pipeline()], ladder=factory.ladder(), learning=factory.learning())
    ],
    "busy": lambda: [
        factory.busy_run(
            every=1,
            partial=True,
            not_run=[NotRun(f"gemm-cuda-b{i}-fp32-eager", Outcome.NOT_RUN, "out of time") for i in range(113)],
            ladder=factory.ladder(contended=True),
        )
    ],
    "no gpu": lambda: [factory.run(on=factory.machine(gpu=False))],
    "many workloads": lambda: [factory.large_run(workloads=10)],
    "long names": lambda: [
        factory.run(
            [
                *factory.sweep("test_a_user_supplied_step_of_another_project_with_a_long_name[cuda-some-parameter]"),
                *factory.sweep("another_workload_whose_name_has_no_place_to_break_it_at_all_whatever_one_does"),
            ],
            factory.machine(cpu="Synthetic(R) Processor(TM) Platinum 0000XYZ CPU @ 0.00GHz, of a very long name"),
        )
    ],
}


def history_page(folder):
    """A page of the history with steps in series of long names, and others."""
    numbers = noisy([(20, 1.0), (15, 1.2), (15, 1.0), (4, 1.3)])
    name = "test_a_user_supplied_step_of_another_project_with_a_long_name[cuda-some-parameter]"
    series = [values(numbers, f"{name}-{i}", software=f"torch 2.{i % 2}, CUDA 12.8, cuDNN 91002") for i in range(3)]
    others = [values(noisy([(count, 1.0)]), f"{name}-{count}") for count in (5, 40)]
    return history.write(find_steps(collected(*series, *others)), folder / "history")


@pytest.fixture(scope="module", params=[*RUNS, "history"])
def page(svgs_alone, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return history_page(folder) if request.param == "history" else write(RUNS[request.param](), folder / "report")


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 400])
def test_page_fits_the_window_loads_all_images_and_requests_nothing(browser, page, width):
    browser.get_log("performance")
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())
    for opened in (False, True):
        if opened:
            browser.execute_script("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.execute_script(WIDER_THAN_THE_PAGE) == []
    assert browser.execute_script("return window.innerWidth") == width
    images = browser.execute_script("return [...document.images].map(i => [i.complete, i.naturalWidth])")
    assert images
    assert all(complete and natural > 0 for complete, natural in images)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert any(url.startswith("file:") for url in requested), "the log of requests is empty"
