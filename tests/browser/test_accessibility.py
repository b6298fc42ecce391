"""The pages for people with a keyboard, a screen reader or little sight: axe-core, targets, focus, what is read out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from tests.browser.conftest import DRAWN_PAGE, PATIENCE_MILLISECONDS, Reader
from tests.browser.test_dashboards import DASHBOARDS, UNDRAWN
from tests.cluster import Cluster
from tests.factories import iso
from tests.integration.kibana_world import filled_world
from tests.viewers import address_of, viewer_on

NOW = datetime.now(timezone.utc)
MODEL = "click-model"
FIRING = "accessible"
WIDE, PHONE = 1440, 375
RULES_OF_LAYOUT = (
    *("scrollable-region-focusable", "link-name", "button-name", "summary-name", "label", "select-name"),
    *("region", "landmark-one-main", "page-has-heading-one", "heading-order", "meta-viewport"),
)
"""The rules whose answer may be another one on a narrow page: the rest of it, and its colours, are the same."""
LEAST_TARGET = 24
TARGETS = "a[href], button, summary, select, input:not([type=hidden])"
SMALL_TARGETS = """([targets, least]) => [...document.querySelectorAll(targets)]
    .filter((target) => target.checkVisibility({ opacityProperty: false }) && !target.closest(".skip"))
    .map((target) => (target.closest("label") || target))
    .map((target) => [target, target.getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.width, box.height) < least - 0.01)
    .map(([target, box]) => `${target.outerHTML.slice(0, 120)} ${box.width} x ${box.height}`)"""


@pytest.fixture(scope="module")
def viewer(elasticsearch: Cluster) -> Iterator[str]:
    """The address of a viewer whose dashboards have data, with a login, and a firing on its start page."""
    documents = [
        (PERFORMANCE, {"@timestamp": iso(NOW), "window_end": iso(NOW), "model_name": MODEL, "is_base_window": True}),
        (VERDICTS, {"@timestamp": iso(NOW), "model_name": MODEL, "rate_since": iso(NOW)}),
        (ALERTS, {"@timestamp": iso(NOW), "model_name": MODEL, "inhibited_by": ["pipeline-lag"]}),
    ]
    with filled_world(elasticsearch) as world:
        for contract, changes in documents:
            document = {**contract.sample, **changes}
            world.admin.index(index=contract.index_for(NOW), id=FIRING, document=document, refresh=True)
        with viewer_on(elasticsearch) as url:
            yield url


def open_page(page: Page, address: str) -> int:
    """Open a page, wait until all of it is drawn, and return the status of the answer."""
    answer = page.goto(address)
    if page.locator("#overview").count():
        page.wait_for_selector("#overview[data-drawn]")
    if page.locator("#page").count():
        page.wait_for_selector(DRAWN_PAGE)
        height = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
        expect(page.locator(UNDRAWN)).to_have_count(0)
    assert answer
    return answer.status


def findings(page: Page, axe: Axe, place: str, **options: Any) -> list[str]:
    """Return what axe-core finds, apart from minor things."""
    # A chart is one picture with a text; its marks are hidden from screen readers.
    charts = {"exclude": [".drawing svg"]}
    response = axe.run(page, charts, {"resultTypes": ["violations"], "preload": False, **options}).response
    return [
        f"{place}: {violation['id']}: {violation['help']}: {node['html'][:200]}"
        for violation in response["violations"]
        if violation["impact"] != "minor"
        for node in violation["nodes"]
    ]


def test_axe_finds_nothing(browser: Browser, viewer: str) -> None:
    """axe-core finds nothing on any page, light and dark, wide and on a telephone; no target is smaller than 24 px."""
    axe, problems = Axe(), []
    addresses = [viewer, f"{viewer}/explain-drop?model={MODEL}&from=now-1h", f"{viewer}/none", f"{viewer}/login"]
    addresses += [f"{viewer}/alerts", f"{viewer}/alerts/{FIRING}", f"{viewer}/windows/{FIRING}"]
    addresses += [f"{viewer}/documents/{VERDICTS.alias}/{FIRING}"]
    addresses += [address_of(viewer, name, refresh="0") for name in DASHBOARDS]
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    for address in addresses:
        place = address.partition("?")[0]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": WIDE, "height": 900})
        open_page(page, address)
        for width, options in ((WIDE, {}), (PHONE, {"runOnly": RULES_OF_LAYOUT})):
            page.set_viewport_size({"width": width, "height": page.viewport_size["height"]})
            problems += findings(page, axe, f"{place}, {width} px", **options)
            small = page.evaluate(SMALL_TARGETS, [TARGETS, LEAST_TARGET])
            problems += [f"{place}, {width} px: smaller than {LEAST_TARGET} px: {target}" for target in small]
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html[data-theme=dark]")).to_have_count(1)
        problems += findings(page, axe, f"{place}, dark", runOnly=["color-contrast"])
    page.context.close()
    assert not problems, "\n".join(problems)


LISTEN = """() => {
    window.announcements = [];
    const regions = "[role=status], [role=alert], [aria-live]";
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const region = (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement)?.closest(regions);
            if (region?.textContent) window.announcements.push(region.textContent.trim());
        }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def test_a_refresh_keeps_the_focus_and_says_nothing(reader: Reader, elasticsearch: Cluster) -> None:
    """New numbers neither move the focus nor are read out; a new time range is read out once."""
    page = reader.open("model-quality")
    table = page.locator("#panel-quality-by-version")
    table.scroll_into_view_if_needed()
    cell = table.get_by_role("button", name="2", exact=True)
    cell.focus()
    page.evaluate(LISTEN)
    rows = table.locator("tbody tr").count()
    with elasticsearch.client() as client:
        query = {"bool": {"filter": [{"term": {"model_version": "2"}}, {"term": {"segment": "all"}}]}}
        hits = client.search(index=PERFORMANCE.pattern, query=query, size=1000)["hits"]["hits"]
        for hit in hits:
            document = {**hit["_source"], "model_version": "1.5"}
            client.index(index=hit["_index"], id=f"more-{hit['_id']}", document=document)
        client.indices.refresh(index=PERFORMANCE.pattern)
    page.evaluate("document.getElementById('reload').click()")

    expect(table.locator("tbody tr")).to_have_count(rows + 1)
    expect(table.get_by_role("button", name="2", exact=True)).to_be_focused()
    assert page.evaluate("announcements") == []
    page.locator("#time summary").click()
    page.get_by_role("button", name="Last 7 days").click()
    expect(page.locator("#read-out")).to_have_text(re.compile("^Time range: Last 7 days, .* UTC$"))
    expect(page.locator("#time summary")).to_be_focused()
    assert page.evaluate("announcements.filter((text) => text.startsWith('Time range')).length") == 1


def test_the_start_page_stays_quiet(browser: Browser, viewer: str) -> None:
    """When the start page reads again, the focus stays on its link, and nothing is read out."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    open_page(page, viewer)
    link = page.locator(".model a").first
    link.focus()
    page.evaluate(LISTEN)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    page.wait_for_selector("#overview[data-drawn='2']")
    expect(link).to_be_focused()
    assert page.evaluate("announcements") == []
    page.context.close()
