"""What helps a person to read the charts: filter, time zone, series, cursor, touch, links; in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from tests.browser.conftest import DRAWN_PAGE, PATIENCE_MILLISECONDS, Reader
from tests.cluster import Cluster
from tests.integration.test_dashboards import change
from tests.viewers import ROOT, address_of, fetch, viewer_on
from tests.waiting import wait_until

PATIENCE_SECONDS = 120.0
"""A new viewer on a busy machine may refuse the first searches."""
CHART = "#panel-quality-f1-over-time"
TOOLTIP = "#vg-tooltip-element"


def point_at(page: Page, panel: str) -> tuple[float, float]:
    """Return the middle of a chart, once it is drawn and on the screen."""
    page.locator(panel).scroll_into_view_if_needed()
    box = page.locator(f"{panel}[data-state=drawn] .drawing svg").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_person_filters_by_kql(reader: Reader) -> None:
    """The filter is part of the address; a field that no index has, or no KQL, gives one line that says what to do."""
    page = reader.open("model-quality")
    expect(page.locator("#panel-quality-f1 .tile")).to_have_count(3)
    page.get_by_label("Filter", exact=True).fill("model_version: 2")
    page.keyboard.press("Enter")
    reader.wait_for_drawing(2)
    expect(page.locator("#panel-quality-f1 .tile")).to_have_count(1)
    assert "q=model_version" in page.url

    page.get_by_label("Filter", exact=True).fill("model_versio: 2")
    page.keyboard.press("Enter")
    expect(page.locator("#banner.error")).to_contain_text(
        "model_versio, which no index of this dashboard has: did you mean model_version?"
    )
    page.get_by_role("button", name="Correct the filter").click()
    expect(page.get_by_label("Filter", exact=True)).to_be_focused()
    page.get_by_label("Filter", exact=True).fill("((")
    page.keyboard.press("Enter")
    expect(page.locator("#banner.error")).to_contain_text("The filter is not supported")


def test_a_person_chooses_a_time_zone(browser: Browser, viewer: str) -> None:
    """The times of the page, of tooltips and of tables follow the switch, and the next page keeps the choice."""
    context = browser.new_context(timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.goto(address_of(viewer, "pipeline-health", refresh="0"))
    page.wait_for_selector(DRAWN_PAGE)
    expect(page.locator("#time-text")).to_have_text("2026-03-02 10:00 → 2026-03-02 20:00 UTC")
    newest = page.locator("#panel-health-last-event .value").first.inner_text()
    page.get_by_label("Time zone").select_option("browser")

    expect(page.locator("#time-text")).to_have_text("2026-03-02 18:00 → 2026-03-03 04:00 Asia/Shanghai")
    expect(page.locator("#panel-health-last-event .value").first).not_to_have_text(newest)
    expect(page.locator("#panel-health-last-event .detail").first).to_have_text(re.compile(r"^[\d,]+ d ago$"))
    page.goto(address_of(viewer, "serving", refresh="0"))
    expect(page.locator("#time-text")).to_contain_text("Asia/Shanghai")
    context.close()


def test_the_zone_of_the_model_is_that_of_its_settings(browser: Browser, elasticsearch: Cluster, viewer: str) -> None:
    """A chosen model has its own zone; models of several zones are read in UTC, and the switch says so."""
    assert viewer  # its cluster is filled
    with elasticsearch.client() as client:
        store, now = ModelSettingsStore(Gateway(client)), datetime.now(timezone.utc)
        stored = store.read()
        tables = {"default": {}, **stored.history.tables, "click": {"time_zone": "Asia/Tokyo"}}
        store.write(stored, stored.history.with_change(tables, now))
        client.indices.refresh(index=MODEL_SETTINGS.name)
    with viewer_on(elasticsearch) as url, browser.new_page() as page:
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        address = address_of(url, "serving", refresh="0", **{"c.model": "click"})
        wait_until(lambda: fetch(address.replace("serving?", "serving/data?"))[0] == HTTPStatus.OK, PATIENCE_SECONDS)
        page.goto(address)
        page.wait_for_selector(DRAWN_PAGE)
        page.get_by_label("Time zone").select_option("model")
        zones = page.get_by_label("Time zone").locator("option[value=model]")
        expect(zones).to_have_text("Model: Asia/Tokyo")
        expect(page.locator("#time-text")).to_have_text("2026-03-02 19:00 → 2026-03-03 05:00 Asia/Tokyo")
        expect(page.locator("#status")).to_contain_text("2026-03-03 05:00 Asia/Tokyo")
        page.goto(f"{address}&c.model=ads")
        expect(zones).to_have_text("Models: UTC (2 zones)")
        expect(zones).to_have_attribute("title", re.compile("ads: UTC, click: Asia/Tokyo"))
        expect(page.locator("#time-text")).to_have_text("2026-03-02 10:00 → 2026-03-02 20:00 UTC")


def test_a_series_is_hidden_by_its_name(reader: Reader) -> None:
    """A click on a series in the legend hides it in the chart and its tooltip; another click shows it again."""
    page = reader.open("model-quality")
    first = page.locator(f"{CHART} .legend button").first
    name = first.inner_text()
    page.mouse.move(*point_at(page, CHART))
    expect(page.locator(TOOLTIP)).to_contain_text(name)
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")
    page.mouse.move(*point_at(page, CHART))
    expect(page.locator(TOOLTIP)).not_to_contain_text(name)
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    assert reader.complaints == []


def test_all_charts_show_the_moment_that_is_pointed_at(reader: Reader) -> None:
    """The cursor of one chart is on the other charts of the page, at the same moment."""
    page = reader.open("model-quality")
    point_at(page, "#panel-quality-auc-over-time")
    page.mouse.move(*point_at(page, CHART))
    expect(page.locator("#panel-quality-auc-over-time .cursor")).to_be_visible()
    page.mouse.move(0, 0)
    expect(page.locator("#panel-quality-auc-over-time .cursor")).to_be_hidden()


def test_a_touch_shows_the_values_of_a_moment(browser: Browser, viewer: str) -> None:
    """A finger leaves the screen; the values stay until the next touch."""
    context = browser.new_context(viewport={"width": 375, "height": 700}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(address_of(viewer, "model-quality", refresh="0"))
    page.wait_for_selector(DRAWN_PAGE)
    page.touchscreen.tap(*point_at(page, CHART))
    expect(page.locator(TOOLTIP)).to_contain_text(re.compile(r"UTC.*% .* n = \d+", re.DOTALL))
    context.close()


def test_the_strip_names_outages_and_releases(reader: Reader) -> None:
    """Releases have the name of their model, and the text of a chart says what disturbs its numbers."""
    page = reader.open("model-quality")
    chart = page.locator(f"{CHART} .drawing")
    expect(chart.get_by_text("click/1", exact=True).first).to_be_attached()
    expect(chart).to_have_attribute("aria-label", re.compile(r"labels to come from [\d-]+ [\d:]+ to [\d-]+ [\d:]+ UTC"))
    expect(page.locator(f"{CHART} .legend")).to_contain_text("labels to come")


def test_panels_lead_to_their_documents_in_discover(browser: Browser, viewer: str, elasticsearch: Cluster) -> None:
    """The link has the data view, the time, the panel's query and the controls; without an address there is none."""
    kibana = {"DASHBOARDS_KIBANA": "https://kibana.example.org/s/ml"}
    with viewer_on(elasticsearch, kibana) as url, browser.new_page() as page:
        page.goto(address_of(url, "versions-compared", refresh="0", **{"c.model": "click"}))
        page.wait_for_selector(DRAWN_PAGE)
        link = unquote(page.locator("#panel-versions-f1 a.discover").get_attribute("href") or "")
        assert link.startswith("https://kibana.example.org/s/ml/app/discover#/?_g=(time:(from:'2026-03-02T10:00")
        assert "dataViewId:'model-performance'" in link
        assert 'and (model_name: ("click"))' in link
        page.goto(address_of(viewer, "versions-compared", refresh="0"))
        page.wait_for_selector(DRAWN_PAGE)
        expect(page.locator("a.discover")).to_have_count(0)


def test_documents_beyond_the_first_hundred_are_sorted_by_elasticsearch(reader: Reader) -> None:
    """The pages of a long list go to its end, the order is that of all documents, and the file has all of them."""
    page = reader.open("serving")
    panel = page.locator("#panel-slow-requests")
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".pager")).to_contain_text(re.compile(r"^‹1–10 of \d{3}›$"))
    total = int((panel.locator(".pager span").text_content() or "").split()[-1])
    panel.locator("th button", has_text="Response time").click()
    expect(panel.locator("th", has_text="Response time")).to_have_attribute("aria-sort", "descending")
    panel.locator("th button", has_text="Response time").click()
    expect(panel.locator("th", has_text="Response time")).to_have_attribute("aria-sort", "ascending")
    panel.get_by_role("button", name="Next page").click()
    expect(panel.locator(".pager")).to_contain_text("11–20 of")
    fastest = [float(text.split()[0]) for text in panel.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert fastest == sorted(fastest)

    panel.hover()
    with page.expect_download() as download:
        panel.locator(".csv").click()
    head, *rows = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert "Response time (nanoseconds)" in head
    assert len(rows) == total > 100
    tenth = sorted(int(row.split(",")[1]) for row in rows)[10]
    assert fastest[0] == pytest.approx(tenth / 1e6, abs=0.06)


def test_all_groups_of_a_table_have_pages(
    browser: Browser, elasticsearch: Cluster, viewer: str, tmp_path: Path
) -> None:
    """A panel with room for one segment leads to all; what is sorted stands below; the file has all of them."""
    address = address_of(viewer, "model-quality", refresh="0")
    whole = fetch(address.replace("model-quality?", "model-quality/data?"))[2]
    table = json.loads(whole)["panels"]["quality-by-segment"]["body"]
    rows, texts = table["rows"], table["texts"]
    shutil.copytree(ROOT / "kibana/objects", tmp_path / "objects")
    change(tmp_path / "objects/lens/quality-by-segment.json", with_little_room)
    with viewer_on(elasticsearch, {"KIBANA_FOLDER": str(tmp_path)}) as url, browser.new_page() as page:
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.goto(address.replace(viewer, url))
        panel = page.locator("#panel-quality-by-segment")
        panel.scroll_into_view_if_needed()
        expect(panel.locator(".remark")).to_contain_text("The largest groups")
        panel.get_by_role("button", name="All groups").click()
        expect(panel.locator(".remark")).to_have_text(f"All {len(rows)} groups, sorted by Labelled")
        expect(panel.locator(".pager")).to_contain_text(f"1–4 of {len(rows)}")
        order = sorted(range(len(rows)), key=lambda row: rows[row][3] or -1, reverse=True)
        most = [texts[row][3] for row in order]
        counts = panel.locator("tbody td:nth-child(4)")
        expect(counts).to_have_text(most[:4])
        panel.get_by_role("button", name="Next page").click()
        expect(counts).to_have_text(most[4:8])
        panel.locator("th button", has_text="Segment").click()
        expect(panel.locator(".remark")).to_have_text(f"All {len(rows)} groups, sorted by Segment in Elasticsearch")
        names = sorted(row[2] for row in rows)
        expect(panel.locator("tbody td:nth-child(3)")).to_have_text(names[:4])
        panel.hover()
        with page.expect_download() as download:
            panel.locator(".csv").click()
        head, *lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
        assert head.startswith("Model,Version,Segment,Labelled,Accuracy")
        assert sorted(line.split(",")[2] for line in lines) == names


def with_little_room(lens: Any) -> None:
    """Let a table have room for one segment, on pages of four rows."""
    columns = lens["state"]["datasourceStates"]["formBased"]["layers"]["data"]["columns"]
    columns["segment"]["params"]["size"] = 1
    lens["state"]["visualization"]["paging"]["size"] = 4
