"""The start page in a real browser: is everything all right, and if not, what fell, where and since when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.pipeline.broken_features import BrokenFeature
from monitor_agent.settings import AgentSettings
from tests.browser.conftest import PATIENCE_MILLISECONDS
from tests.cluster import Cluster
from tests.factories import Document, iso, make_feedback, make_prediction
from tests.integration.agent_world import world_on
from tests.viewers import viewer_on

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
NOW = datetime.now(timezone.utc)
IMPRESSIONS, CLICKS, CLICKS_OF_NEW, CLICKS_LAST_WEEK = 200, 40, 20, 50
ROWS_READY = "#overview[data-drawn]"


def hour_of(at: datetime, model: str, version: str, clicks: int) -> list[Document]:
    """Return predictions and clicks in some minutes."""
    predictions = [
        make_prediction(at + index * timedelta(seconds=2), 0.75 if index % 2 else 0.25, model=model, version=version)
        for index in range(IMPRESSIONS)
    ]
    return [*predictions, *(make_feedback(prediction) for prediction in predictions[:clicks])]


@pytest.fixture(scope="module")
def start_page(elasticsearch: Cluster) -> Iterator[str]:
    """The address of a viewer whose cluster has a model with a worse version, one without trouble, and a silent one."""
    price = BrokenFeature("numeric.price", "missing", 0.34, 0.0, NOW - 5 * HOUR)
    fallen = {**VERDICTS.sample, "@timestamp": iso(NOW), "model_name": "search", "rate_since": iso(NOW - 5 * HOUR)}
    fallen["broken"] = [price.content()]
    fine = {**VERDICTS.sample, "@timestamp": iso(NOW), "model_name": "ads", "model_version": "1", "rate_fall": 0}
    old = {**fallen, "@timestamp": iso(NOW - 3 * HOUR), "model_name": "feed", "model_version": "1"}
    firing = {
        **ALERTS.sample,
        "@timestamp": iso(NOW - 4 * HOUR),
        "event": {"kind": "alert", "start": iso(NOW - 4 * HOUR), "severity": 99},
        "rule": {"name": "worse-version", "description": "A version is worse"},
        "model_name": "search",
        "model_version": "2",
        "inhibited_by": ["pipeline-lag"],
    }
    elasticsearch.clean()
    with world_on(elasticsearch) as world:
        install(Gateway(world.admin), AgentSettings())
        for version, clicks in (("1", CLICKS), ("2", CLICKS_OF_NEW)):
            world.deliver(*hour_of(NOW - 2 * HOUR, "search", version, clicks))
        world.deliver(*hour_of(NOW - 2 * HOUR - WEEK, "search", "1", CLICKS_LAST_WEEK))
        world.deliver(*hour_of(NOW - timedelta(minutes=50), "ads", "1", CLICKS))
        world.deliver(*hour_of(NOW - 4 * HOUR, "feed", "1", CLICKS))
        world.cycle(NOW)
        # In place of the agent's own, which judges weeks.
        for number, verdict in enumerate((fallen, fine, old)):
            world.admin.index(index=VERDICTS.index_for(NOW), id=f"test-{number}", document=verdict)
        world.admin.index(index=ALERTS.index_for(NOW), id="test", document=firing)
        world.admin.indices.refresh(index="model-*")
    with viewer_on(elasticsearch) as url:
        yield url


@pytest.fixture
def page(browser: Browser, start_page: str) -> Iterator[Page]:
    """The start page, once its rows are there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    opened = context.new_page()
    opened.goto(start_page)
    opened.wait_for_selector(ROWS_READY)
    yield opened
    context.close()


def test_the_worse_version_stands_first(page: Page) -> None:
    """The model with trouble is the first row: which version, how much, against what, since when, and its alert."""
    expect(page.get_by_role("status")).to_have_text("2 of 3 models need attention.")
    names = page.locator(".model [data-name=Model] > a").all_text_contents()
    assert names == ["search", "feed", "ads"]
    search = page.locator(".model").first
    expect(search.locator(".state")).to_have_text("Critical")
    expect(search.locator(".fallen")).to_contain_text("CTR 31 % lower: 6.90 % against 10.0 % (than version 1), since")
    expect(search.locator(".broken")).to_contain_text("Feature price: 34 % missing since")
    expect(search.locator(".firing")).to_contain_text("A version is worse · version 2")
    expect(search.locator(".firing")).to_contain_text("active for 4 h")
    expect(search.locator(".firing")).to_contain_text("inhibited by pipeline-lag")
    expect(page.locator(".model.ok")).to_contain_text("not worse than version 1")
    old = re.compile(r"last compared 3 h.* ago: then worse than version 1")
    expect(page.locator(".model.silent")).to_contain_text(old)


def test_the_numbers_are_those_of_the_events(page: Page) -> None:
    """Predictions, the share of positives and its change against last week are those that were delivered."""
    search = page.locator(".model").first
    rate, last_week = (CLICKS + CLICKS_OF_NEW) / (2 * IMPRESSIONS), CLICKS_LAST_WEEK / IMPRESSIONS
    expect(search.locator(".number")).to_have_text(f"{2 * IMPRESSIONS}")
    expect(search.locator("[data-name='Quality, 24 h']")).to_contain_text(f"CTR {100 * rate:#.3g} %")
    change = f"{100 * (rate - last_week):+.2f} pp against last week"
    expect(search.locator("[data-name='Quality, 24 h']")).to_contain_text(change)
    expect(page.locator(".model.silent [data-name='Newest event']")).to_contain_text("h")


def test_a_fall_leads_to_its_dashboard(page: Page) -> None:
    """The link opens the dashboard with the model, the version and the time since the fall chosen."""
    page.locator(".fallen").click()
    page.wait_for_selector("main[data-drawn]")

    assert "c.model=search&c.version=2" in page.url
    expect(page.locator(".control.set").first).to_contain_text("search")


def test_why_a_version_fell(page: Page, start_page: str) -> None:
    """The page of the fall compares the version with the one beside it, and says what the fall comes from."""
    page.get_by_role("link", name="Why?").click()

    expect(page.get_by_role("status")).to_have_text(
        "No segment fell more than the rest: the cause acts on all of them."
    )
    sides = page.locator("table.plain").first
    expect(sides).to_contain_text(f"version 2, {NOW - 5 * HOUR:%Y-%m-%dT%H:%M}")
    expect(sides.locator(".number").nth(2)).to_have_text(f"{100 * CLICKS_OF_NEW / IMPRESSIONS:#.3g} %")
    expect(sides.locator(".number").nth(4)).to_have_text(f"{100 * CLICKS / IMPRESSIONS:#.3g} %")
    page.get_by_label("Model").fill("nobody")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("status")).to_contain_text("Nobody has no predictions with known labels", ignore_case=True)
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{start_page}/explain-drop?model=search&version=2&against=1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_it_fits_a_telephone_and_says_when_it_cannot_read(page: Page, browser: Browser, start_page: str) -> None:
    """Nothing is cut off at 375 px; if Elasticsearch gives no answer, the page says so and keeps the dashboards."""
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    lost = browser.new_context().new_page()
    lost.route("**/models", lambda route: route.fulfill(status=502, body="no"))
    lost.goto(start_page)
    expect(lost.locator("#overview")).to_contain_text("Elasticsearch gives no answer")
    expect(lost.get_by_role("link", name="Model quality").first).to_be_visible()
    lost.context.close()
