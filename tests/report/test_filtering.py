"""The table of all cases in a real browser: filtered and sorted, by mouse and by keyboard, whatever the names are."""

import pytest

from bench_core.core.case import Case
from bench_core.report import write
from tests.support import factory

by = pytest.importorskip("selenium.webdriver.common.by").By
keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
select = pytest.importorskip("selenium.webdriver.support.select").Select

HOSTILE = "<img src=x onerror=\"document.title='run'\">'; alert(1) //"
SHOWN = """
return [...document.querySelectorAll('#all-cases tbody tr')].filter(row => !row.hidden)
  .map(row => [...row.cells].map(cell => cell.textContent));
"""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def address(empty_plots, tmp_path_factory):
    records = [
        *factory.sweep("mlp_train", family="mlp"),
        *factory.sweep("mlp_train", ("cuda",), family="mlp", case=Case("w", dtype="bf16"), one_thread_at=None),
        *factory.sweep(HOSTILE, ("cpu",), (9, 10, 200), family=HOSTILE, one_thread_at=None),
    ]
    return write([factory.run(records)], tmp_path_factory.mktemp("filtered") / "report").as_uri()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    browser.execute_script("document.querySelectorAll('details').forEach(e => e.open = true)")
    return browser


def filters(page):
    """The selects by the words of their labels."""
    labels = page.find_elements(by.CSS_SELECTOR, "#all-cases .filters label")
    return {label.text.split("\n")[0].strip(): select(label.find_element(by.TAG_NAME, "select")) for label in labels}


def chosen(page, name, value):
    found = next(found for label, found in filters(page).items() if label.startswith(name))
    found.select_by_visible_text(value)
    return page.execute_script(SHOWN)


def status(page):
    return page.find_element(by.CSS_SELECTOR, "#all-cases [role=status]").text


def heading(page, name):
    heads = page.find_elements(by.CSS_SELECTOR, "#all-cases thead th")
    return next(head for head in heads if head.text.split(" ▲")[0].split(" ▼")[0] == name)


def column(page, name):
    heads = [head.text.split(" ▲")[0].split(" ▼")[0] for head in page.find_elements(by.CSS_SELECTOR, "#all-cases th")]
    return [row[heads.index(name)] for row in page.execute_script(SHOWN)]


def test_rows_are_filtered_by_what_differs(page):
    assert [label.split(" all")[0] for label in filters(page)] == ["Workload", "Family", "Device", "Dtype"]
    assert status(page) == "19 of 19 rows"
    assert len(chosen(page, "Device", "GPU")) == 10
    assert len(chosen(page, "Dtype", "bf16")) == 5
    assert status(page) == "5 of 19 rows"
    assert set(column(page, "Device")) == {"GPU"}
    assert len(chosen(page, "Device", "all")) == 5
    assert len(chosen(page, "Dtype", "all")) == 19


def test_rows_are_sorted_by_their_figures_and_back(page):
    button = heading(page, "Batch size").find_element(by.TAG_NAME, "button")
    button.click()
    batches = [int(words.replace(",", "")) for words in column(page, "Batch size")]
    assert batches == sorted(batches)
    assert heading(page, "Batch size").get_attribute("aria-sort") == "ascending"
    button.click()
    assert [int(words.replace(",", "")) for words in column(page, "Batch size")] == batches[::-1]
    heading(page, "Dtype").find_element(by.TAG_NAME, "button").click()
    assert column(page, "Dtype") == ["bf16"] * 5 + ["fp32"] * 14
    assert heading(page, "Batch size").get_attribute("aria-sort") is None


def test_the_keyboard_sorts_and_filters(page):
    first = page.find_element(by.CSS_SELECTOR, "#all-cases .filters select")
    page.execute_script("arguments[0].focus()", first)
    page.switch_to.active_element.send_keys(keys.ARROW_DOWN)
    assert len(page.execute_script(SHOWN)) == 3
    for _ in range(8):
        page.switch_to.active_element.send_keys(keys.TAB)
        if page.switch_to.active_element.tag_name == "button":
            break
    page.switch_to.active_element.send_keys(keys.ENTER)
    assert heading(page, "Workload").get_attribute("aria-sort") == "ascending"


def test_hostile_names_are_words_and_nothing_else(page):
    rows = chosen(page, "Workload", HOSTILE)
    assert [row[0] for row in rows] == [HOSTILE] * 3
    assert page.title.startswith("bench-core")
    assert page.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
