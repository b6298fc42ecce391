"""The dashboards in a real browser: what a person sees, and how the page reacts."""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import DRAWN_PAGE, Reader
from tests.cluster import Cluster
from tests.factories import START
from tests.integration.kibana_world import NOW
from tests.viewers import ROOT, address_of, viewer_on

DASHBOARDS = sorted(path.stem for path in (ROOT / "kibana/objects/dashboard").glob("*.json"))

UNDRAWN = ".panel.data:not([data-state=drawn])"
LABELS = """() => [...document.querySelectorAll(".drawing")].map((drawing) => ({
    panel: drawing.closest(".panel").dataset.panel,
    frame: drawing.getBoundingClientRect(),
    labels: [...drawing.querySelectorAll(".role-axis-label text")]
        .filter((label) => label.checkVisibility({ opacityProperty: true }))
        .map((label) => label.getBoundingClientRect()),
}))"""
PHONE = {"width": 375, "height": 700}


def show_all(page: Page) -> None:
    """Make the window as high as the page, and wait until all panels are drawn."""
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": 1440, "height": height})
    expect(page.locator(UNDRAWN)).to_have_count(0)


def may_be_empty(panel: str) -> bool:
    """Return whether the object of a panel has the tag of panels that may be empty; both have the same name."""
    (path,) = (path for path in (ROOT / "kibana/objects").glob(f"*/{panel}.json") if path.parent.name != "dashboard")
    return any(
        reference["id"] == "may-be-empty" for reference in json.loads(path.read_text(encoding="utf-8"))["references"]
    )


def require_readable_labels(page: Page) -> None:
    """Fail if a chart cuts off the label of an axis, or if two labels overlap."""
    for chart in page.evaluate(LABELS):
        frame, labels = chart["frame"], chart["labels"]
        assert labels, chart["panel"]
        for label in labels:
            assert label["left"] >= frame["left"] - 2, chart["panel"]
            assert label["right"] <= frame["right"] + 2, chart["panel"]
        for first, second in combinations(labels, 2):
            apart_in_x = first["right"] <= second["left"] + 1 or second["right"] <= first["left"] + 1
            apart_in_y = first["bottom"] <= second["top"] + 2 or second["bottom"] <= first["top"] + 2
            assert apart_in_x or apart_in_y, chart["panel"]


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_panel_of_a_dashboard_draws_its_data(reader: Reader, dashboard: str) -> None:
    """A dashboard appears without errors in the console; every panel shows data, and no labels overlap."""
    page = reader.open(dashboard)
    show_all(page)

    assert reader.complaints == []
    for panel in page.locator(".panel.data").all():
        title = panel.locator("h2").inner_text()
        kind = panel.get_attribute("data-kind")
        if kind == "notice":
            assert may_be_empty(panel.get_attribute("data-panel") or ""), panel.inner_text()
        elif kind == "chart":
            marks = panel.locator(
                "svg .mark-line path, svg .mark-rect path, svg .mark-area path, svg .mark-symbol path"
            )
            assert any((mark.bounding_box() or {}).get("height", 0) > 0 for mark in marks.all()), title
            assert panel.locator("svg .role-axis-label text").count() > 1, title
        elif kind == "tiles":
            assert panel.locator(".value").first.inner_text() != "–", title
        else:
            assert panel.locator("tbody tr").count() > 0, title
    require_readable_labels(page)


def test_tiles_take_the_height_that_they_need(reader: Reader) -> None:
    """A row of tiles is as high as its fullest panel, at most as in Kibana, and the charts follow below it."""
    page = reader.open("model-quality")
    page.wait_for_selector("#panel-quality-f1[data-state=drawn]")
    boxes = [page.locator(f"#panel-quality-{name}").bounding_box() for name in ("f1", "auc", "f1-over-time")]
    tiles, neighbour, chart = (box for box in boxes if box)
    assert tiles["height"] == neighbour["height"] < 8 * 28 - 8
    assert chart["y"] >= tiles["y"] + tiles["height"]
    free = page.locator("#panel-quality-f1 .tiles").evaluate(
        "tiles => tiles.getBoundingClientRect().bottom - tiles.lastElementChild.getBoundingClientRect().bottom"
    )
    assert free < 20


def test_a_control_filters_every_panel(reader: Reader) -> None:
    """A selected value filters all panels and is part of the address; the back button removes it."""
    page = reader.open("model-quality")
    versions = page.locator("#panel-quality-by-version tbody tr")
    show_all(page)
    expect(versions).to_have_count(3)
    ctr = page.locator("#panel-quality-ctr .value").all_inner_texts()

    page.locator("[data-control=version] summary").click()
    page.locator("[data-control=version] label", has_text=re.compile(r"^2")).click()
    reader.wait_for_drawing(2)

    expect(versions).to_have_count(1)
    assert page.locator("#panel-quality-ctr .value").all_inner_texts() != ctr
    assert "c.version=2" in page.url
    page.go_back()
    expect(versions).to_have_count(3)


def test_a_cell_of_a_table_filters_by_its_value(reader: Reader) -> None:
    """A click on a version in a table shows only that version; "Any" shows all again."""
    page = reader.open("versions-compared")
    rows = page.locator("#panel-versions-table tbody tr")
    rows.first.locator("button", has_text=re.compile("^1$")).click()
    expect(rows).to_have_count(1)
    page.locator("[data-control=version] summary").click()
    page.locator("[data-control=version] label", has_text="Any").click()
    expect(rows).to_have_count(3)


def test_the_time_picker_takes_what_kibana_takes(reader: Reader) -> None:
    """It takes a quick range and date math; a text that is no time gives one line."""
    page = reader.open("serving")
    page.locator("#time summary").click()
    page.get_by_role("button", name="Last 7 days").click()
    expect(page.locator("#time-text")).to_have_text("Last 7 days")
    expect(page.locator("#banner")).to_contain_text("No data from Last 7 days")

    page.get_by_role("button", name="Show them").click()
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#panel-serving-requests .value").first).to_have_text(re.compile(r"^\d\d$"))

    page.locator("#time summary").click()
    page.locator("input[name=from]").fill("yesterday")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#banner.error")).to_have_text(re.compile("'yesterday' is no time: write an ISO 8601 time"))
    page.get_by_role("button", name="Correct the time").click()
    expect(page.locator("input[name=from]")).to_be_focused()
    page.locator("input[name=from]").fill("2026-03-02")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#banner")).to_be_hidden()


def test_dragging_over_a_chart_shows_that_time(reader: Reader) -> None:
    """The part of a chart that is dragged over becomes the time range of the dashboard."""
    page = reader.open("serving")
    requests = page.locator("#panel-serving-requests .value").first
    before = int(requests.inner_text())
    box = page.locator("#panel-serving-response-time[data-state=drawn] .drawing svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
    page.mouse.up()
    reader.wait_for_drawing(2)

    chosen = parse_qs(urlsplit(page.url).query)
    start, end = (datetime.fromisoformat(chosen[name][0].replace("Z", "+00:00")) for name in ("from", "to"))
    assert 0.15 < (end - start) / (NOW - START) < 0.3
    assert int(requests.inner_text()) < before / 2


def test_a_table_sorts_turns_pages_and_is_downloaded(reader: Reader) -> None:
    """A click on a head sorts, a second click reverses; the file holds all rows, not only the page."""
    page = reader.open("search-and-ranking")
    show_all(page)
    panel = page.locator("#panel-ranking-worst-queries")
    head = panel.locator("th", has_text="Predictions")
    cells = panel.locator("tbody tr td:nth-child(4)")

    head.locator("button").click()
    descending = [int(text) for text in cells.all_inner_texts()]
    assert descending == sorted(descending, reverse=True)
    expect(head).to_have_attribute("aria-sort", "descending")
    head.locator("button").click()
    ascending = [int(text) for text in cells.all_inner_texts()]
    assert ascending == sorted(ascending)

    panel.get_by_role("button", name="Next page").click()
    expect(panel.locator(".pager")).to_contain_text("11–20 of 22")
    panel.hover()
    with page.expect_download() as download:
        panel.locator(".csv").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert download.value.suggested_filename == "queries-with-the-worst-results.csv"
    assert len(lines) == 23
    assert lines[0].startswith("Model,Version,Query,Predictions,Requests,Clicks,CTR (share)")

    cells_of = """async (rows) => {
        const tables = new URL("tables.js", document.querySelector("script[type=module]").src);
        return (await import(tables)).csv({columns: [{label: "a", kind: "string"}], rows});
    }"""
    formulas = ["=1", " =1", "\u00a0+1", "\ufeff@x", "\0=1", "＝1", "－1", "\t1", "-2+3"]
    written = page.evaluate(cells_of, [[text] for text in [*formulas, "a=b", -2.5]]).split("\r\n")
    assert all(text.lstrip('"').startswith("'") for text in written[1:10])
    assert written[10:12] == ["a=b", "-2.5"]
    assert "\0" not in "".join(written)


def test_a_chart_gives_its_numbers(reader: Reader) -> None:
    """A chart has a text for screen readers, a tooltip with all values of a moment, and a view as a table."""
    page = reader.open("model-quality")
    panel = page.locator("#panel-quality-f1-over-time")
    drawing = panel.get_by_role("img", name=re.compile("F1 over time"))
    expect(drawing).to_have_attribute("aria-label", re.compile(r"F1 over time.*latest: click/1 [\d.]+ %"))
    box = drawing.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tooltip = re.compile(r"UTC.*click/1.*% \(.* to .*\) n = \d+", re.DOTALL)
    expect(page.locator("#vg-tooltip-element")).to_contain_text(tooltip)

    panel.get_by_role("button", name="Numbers of F1").click()
    assert panel.locator("tbody tr").count() == 10
    expect(panel.locator("thead")).to_contain_text("upper end")


def test_links_between_dashboards_keep_the_time_and_the_choice(reader: Reader) -> None:
    """A link to another dashboard keeps the time range and the selected version."""
    page = reader.open("model-quality", **{"c.version": "2"})
    page.locator(".panel.text a", has_text="Versions compared").click()
    page.wait_for_selector(DRAWN_PAGE)

    expect(page.locator("#time-text")).to_contain_text("2026-03-02 10:00")
    expect(page.locator("[data-control=version] .chosen")).to_have_text("2")
    expect(page.locator("#panel-versions-table tbody tr")).to_have_count(1)


def test_the_theme_is_the_readers_and_stays(reader: Reader) -> None:
    """The switch changes the page and the charts from light to dark, and another page keeps the choice."""
    page = reader.open("serving")
    label = page.locator("#panel-serving-response-time .role-axis-label text").first
    light = label.get_attribute("fill")
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(label).not_to_have_attribute("fill", light or "")
    page.goto(reader.viewer)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_it_refreshes_itself(reader: Reader) -> None:
    """With a refresh interval, the page loads the data again and again."""
    page = reader.open("pipeline-health", refresh="1")
    page.wait_for_selector('main[data-drawn="2"]')

    assert reader.complaints == []


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_a_phone_shows_everything(browser: Browser, viewer: str, dashboard: str) -> None:
    """A screen of 375 pixels needs no horizontal scrolling, and time and filters can be used."""
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(address_of(viewer, dashboard, refresh="0"))
    page.wait_for_selector(DRAWN_PAGE)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator("#time summary").tap()
    apply = page.get_by_role("button", name="Apply").bounding_box()
    assert apply
    assert apply["x"] >= 0
    assert apply["x"] + apply["width"] <= PHONE["width"]
    context.close()


def test_the_keyboard_is_enough(reader: Reader) -> None:
    """The keyboard selects a value and closes a popover; every button has a name."""
    page = reader.open("model-quality")
    page.locator("[data-control=version] summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("[data-control=version] .chosen")).to_have_text("1")
    page.keyboard.press("Escape")
    expect(page.locator("[data-control=version]")).not_to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.closest('[data-control]').dataset.control") == "version"
    nameless = "[...document.querySelectorAll('button, summary')].filter((button) => button.checkVisibility() && \
        !(button.getAttribute('aria-label') || button.textContent.trim())).length"
    assert page.evaluate(nameless) == 0


def test_the_last_drawing_stays_if_the_viewer_is_gone(reader: Reader) -> None:
    """If the viewer does not answer, the page says so in one line and keeps its last drawing."""
    page = reader.open("serving")
    requests = page.locator("#panel-serving-requests .value").first
    before = requests.inner_text()
    page.context.set_offline(True)
    page.locator("#reload").click()

    expect(page.locator("#banner.error")).to_contain_text("The viewer does not answer")
    expect(page.locator("#banner.error")).to_contain_text("The numbers below are old: they were read at")
    expect(page.locator("main[data-old]")).to_have_count(1)
    expect(requests).to_have_text(before)

    page.context.set_offline(False)
    page.locator("#reload").click()
    expect(page.locator("main[data-old]")).to_have_count(0)
    expect(page.locator("#status")).not_to_contain_text("Old")


def test_numbers_that_cannot_be_read_are_no_numbers(reader: Reader) -> None:
    """Each panel says so, the reason is above them, and even a page without refresh asks again without a click."""
    page, failures = reader.page, [(503, '{"error": "many wait"}'), (502, "<html>a page of a proxy</html>")]

    def answer(route: Route) -> None:
        if not failures:
            route.continue_()
            return
        status, body = failures.pop()
        route.fulfill(status=status, body=body, headers={"Retry-After": "1"} if status == 503 else {})

    page.route("**/data?*", answer)
    page.clock.install()
    page.goto(address_of(reader.viewer, "serving", refresh="0"))

    expect(page.locator("#banner.error")).to_contain_text("The viewer, or a proxy before it, has failed (status 502).")
    texts = page.locator(".panel.data .body").all_inner_texts()
    assert set(texts) == {"Not read"}
    expect(page.locator("#banner.error")).to_contain_text("The page tries again by itself.")
    page.clock.fast_forward(10_000)
    expect(page.locator("#banner.error")).to_contain_text("Many wait. The page tries again by itself.")
    page.wait_for_selector(DRAWN_PAGE)
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#panel-serving-requests .value").first).to_be_visible()


def test_a_person_logs_in_and_out(browser: Browser, viewer: str, elasticsearch: Cluster) -> None:
    """The login leads back to the dashboard, which shows what the person's role may read; less than 5 s is 5 s."""
    del viewer  # it has filled the cluster
    with viewer_on(elasticsearch, {"DASHBOARDS_AUTH": "elasticsearch"}) as url, browser.new_page() as page:
        page.goto(address_of(url, "serving", refresh="1"))
        expect(page.get_by_label("User of Elasticsearch")).to_be_focused()
        page.get_by_label("User of Elasticsearch").fill("analyst")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("The user or the password is wrong.")
        page.get_by_label("Password").fill(elasticsearch.users["analyst"])
        page.get_by_role("button", name="Log in").click()

        page.wait_for_selector(DRAWN_PAGE)
        assert page.locator("#refresh").input_value() == "5"
        alert = f"<a href='{page.url}'>Alert</a>"
        page.route("http://alerts.example.org/", lambda route: route.fulfill(body=alert, content_type="text/html"))
        page.goto("http://alerts.example.org/")
        page.get_by_text("Alert").click()  # a link of another site, as in a mail or a chat, needs no second login
        page.wait_for_selector(DRAWN_PAGE)
        page.get_by_role("button", name="Log out analyst").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto(address_of(url, "serving"))
        expect(page.get_by_label("Password")).to_be_visible()
