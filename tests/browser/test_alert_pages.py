"""The pages of alerts in a real browser: what fires, since when, what is behind it, and what was done about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from monitor_agent.contracts.silence import SILENCES
from tests.alert_story import ACTIVE, BEGAN, BROKEN, CHANNEL, DAY, LAG, NOW, OLD_FIRINGS, WORSE, alert_story
from tests.browser.conftest import PATIENCE_MILLISECONDS
from tests.cluster import Cluster
from tests.viewers import fetch, viewer_on

ROW = ".alerts .model"
WIDE, TELEPHONE = 1440, 375
OPERATOR, ANALYST = "alert_operator", "analyst"
TOKEN = re.compile('name="token" value="([^"]+)"')


@pytest.fixture(scope="module")
def alert_viewer(elasticsearch: Cluster) -> Iterator[str]:
    """The address of a viewer whose cluster has alerts."""
    alert_story(elasticsearch)
    with viewer_on(elasticsearch) as url:
        yield url


@pytest.fixture(scope="module")
def acting_viewer(elasticsearch: Cluster, alert_viewer: str) -> Iterator[str]:
    """The address of a viewer on the same cluster that lets people silence alerts."""
    assert alert_viewer  # its cluster is filled
    settings = {"DASHBOARDS_AUTH": "elasticsearch", "DASHBOARDS_ALERT_ACTIONS": "true"}
    with viewer_on(elasticsearch, settings) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    yield context.new_page()
    context.close()


def test_the_list_names_what_fires_first(page: Page, alert_viewer: str) -> None:
    """Active before recovered, critical first; each with its value, limit, inhibition and silence."""
    page.goto(alert_viewer)
    page.get_by_role("link", name="Alerts", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text(f"{OLD_FIRINGS + 2} firings, page 1 of 3")
    worse, lag = page.locator(ROW).nth(0), page.locator(ROW).nth(1)
    for text in ("Active", "critical", "search", "version 2", "4 h", "31 %", "limit 5 %", "inhibited by pipeline-lag"):
        expect(worse).to_contain_text(text)
    expect(worse).to_contain_text("share of positives 6.9 %, version 1: 10 %")
    expect(lag).to_contain_text("silenced by kim until")
    expect(lag).to_contain_text("the shop is closed")


def test_the_list_is_filtered_and_paged(page: Page, alert_viewer: str) -> None:
    """The filter and the page are in the address; a page after the last one is the last one."""
    page.goto(f"{alert_viewer}/alerts")
    page.get_by_label("State").select_option("recovered")
    page.get_by_label("Model").select_option("ads")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("status")).to_contain_text(f"{OLD_FIRINGS} firings, page 1 of 3")
    page.get_by_role("link", name="Older").click()
    assert "state=recovered&model=ads&page=2" in page.url
    page.goto(f"{alert_viewer}/alerts?page=99999")
    expect(page.get_by_role("status")).to_contain_text("page 3 of 3")
    expect(page.locator(ROW)).to_have_count((OLD_FIRINGS + 2) % 25)
    page.goto(f"{alert_viewer}/alerts?model=nobody")
    expect(page.locator("main .notice")).to_have_text("No firing has these values.")


def test_a_firing_answers_what_and_since_when(page: Page, alert_viewer: str) -> None:
    """The start page leads to it: what fell, how much, since when, what is broken, what inhibits it, and who knows."""
    page.goto(alert_viewer)
    page.locator(".models").get_by_role("link", name=WORSE.title).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("A version is worse: search, version 2")
    status = page.get_by_role("status")
    expect(status).to_contain_text(re.compile(r"Active for [34] h \d"))
    expect(status).to_contain_text("fall of the share of positives was 31 % at its worst, above its limit of 5 %")
    facts = page.locator(".facts").first
    expect(facts).to_contain_text(f"{BEGAN:%Y-%m-%d %H:%M} UTC, 4 h")
    numbers = "share of positives 6.9 %, version 1: 10 % (95 % interval of the difference 2.4 to 3.8 pp)"
    expect(facts).to_contain_text(numbers)
    expect(facts).to_contain_text(f"Broken features{BROKEN.sentence()}")
    history = page.locator(".history li")
    expect(history.nth(1)).to_contain_text(f"{ACTIVE:%Y-%m-%d %H:%M} UTC Active")
    expect(history.nth(2)).to_contain_text(f"Channel {CHANNEL} was told that it is active")
    expect(page.locator("main")).to_contain_text("alerts silence --alert worse-version --model search")
    page.locator(".firings").get_by_role("link", name=LAG.title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The pipeline lags: all models")
    expect(page.locator("main")).to_contain_text("Silenced by kim until")


def test_the_chart_marks_breaches_and_bridges_no_gap(page: Page, alert_viewer: str) -> None:
    """Red dots beyond the limit, in words too; no line goes through the hour without verdicts."""
    page.goto(f"{alert_viewer}/alerts/{WORSE.id}")
    chart = page.get_by_role("img").first
    words = re.compile("rate_fall: newest value 31 %, limit 5 %, the condition was met at 36 of")
    expect(chart).to_have_attribute("aria-label", words)
    assert chart.locator("polyline").count() == 2
    expect(chart.locator("circle title").last).to_contain_text("the condition was met")
    rows = page.locator("table.plain tbody tr")
    expect(rows.first).to_contain_text("31 %")
    assert all("%" in text for text in rows.all_text_contents())


def test_the_documents_behind_it_have_pages(page: Page, alert_viewer: str) -> None:
    """A verdict opens as a table with the meaning of its fields, and as JSON; what no alert searches has no page."""
    page.goto(f"{alert_viewer}/alerts/{WORSE.id}")
    page.locator("table.plain tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A document of model-verdicts")
    row = page.locator(".fields tr", has=page.locator("code", has_text=re.compile("^rate_fall$")))
    expect(row).to_contain_text("31 %")
    expect(row).to_contain_text("how far the share of positives has fallen")
    address = page.url
    page.get_by_role("link", name="As JSON").click()
    document = json.loads(page.locator("body").inner_text())
    assert address.endswith(document["_id"])
    assert document["_source"]["rate_fall"] == 0.31
    page.goto(f"{alert_viewer}/alerts/{LAG.id}")
    page.locator("table.plain tbody a").first.click()
    expect(page.locator(".fields")).to_contain_text("lag_seconds")
    for path in ("model-verdicts/nothing", "monitor-agent-state/models", "model-predictions/1"):
        assert fetch(f"{alert_viewer}/documents/{path}")[0] == 404


def test_its_links_keep_model_version_and_time(page: Page, alert_viewer: str) -> None:
    """The dashboard opens with model and version chosen; the fall and the newest hour are explained."""
    page.goto(f"{alert_viewer}/alerts/{WORSE.id}")
    page.get_by_role("link", name="What the fall comes from").click()
    expect(page.get_by_label("Against")).to_have_value("1")
    expect(page.get_by_role("status")).to_contain_text("No segment fell more than the rest")
    page.go_back()
    page.get_by_role("link", name="The newest hour, explained").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A window, explained: search")
    expect(page.locator("main")).to_contain_text("does not reach 30")
    page.go_back()
    page.get_by_role("link", name="Model quality at this time").click()
    page.wait_for_selector("main[data-drawn]")
    assert "c.model=search&c.version=2" in page.url


def test_the_dashboards_of_alerts_have_data(page: Page, alert_viewer: str) -> None:
    """Overview and Alerts count the firings, and list who is silenced and what has fallen."""
    page.set_viewport_size({"width": WIDE, "height": 2600})
    page.goto(f"{alert_viewer}/dashboards/alerts?from=now-7d&to=now")
    expect(page.locator("[data-panel='alerts-active'] .value")).to_have_text("2")
    expect(page.locator("[data-panel='alerts-recovered'] .value")).to_have_text("6")
    expect(page.locator("[data-panel='alerts-open'] tbody tr")).to_have_count(2)
    expect(page.locator("[data-panel='alerts-by-name']")).to_contain_text("Requests are refused or fail")
    expect(page.locator("[data-panel='silences']")).to_contain_text("the shop is closed")
    page.goto(f"{alert_viewer}/dashboards/overview?from=now-24h&to=now")
    expect(page.locator("[data-panel='overview-models']")).to_contain_text("200")
    expect(page.locator("[data-panel='overview-verdicts']")).to_contain_text("31.0 %")


def test_the_times_follow_the_switch_of_zones(browser: Browser, alert_viewer: str) -> None:
    """The list, the page of a firing with its chart, and the documents behind it; the choice stays."""
    context = browser.new_context(timezone_id="Asia/Shanghai")
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{alert_viewer}/alerts")
    moment = page.locator(f"{ROW} time").first
    at, text = moment.get_attribute("datetime"), moment.inner_text()
    page.get_by_label("Time zone").select_option("browser")
    expect(moment).to_have_text(re.compile("Asia/Shanghai$"))
    local = (datetime.fromisoformat(at or "") + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M")
    assert text.endswith(" UTC")
    expect(moment).to_have_text(f"{local} Asia/Shanghai")
    page.goto(f"{alert_viewer}/alerts/{WORSE.id}")
    expect(page.locator("figcaption")).to_contain_text("in Asia/Shanghai.")
    expect(page.locator("td.time").first).to_contain_text("Asia/Shanghai")
    expect(page.locator(".firing-chart circle title").first).to_contain_text("Asia/Shanghai: ")
    page.locator("td.links a[href*='/documents/']").first.click()
    expect(page.locator(".fields time").first).to_contain_text("Asia/Shanghai")
    page.get_by_label("Time zone").select_option("utc")
    expect(page.locator(".fields time").first).to_contain_text("UTC")
    context.close()


def test_it_fits_a_telephone(page: Page, alert_viewer: str) -> None:
    """Nothing is cut off at 375 px, and the chart is the one for narrow windows."""
    page.set_viewport_size({"width": TELEPHONE, "height": 800})
    for path in ("/alerts", f"/alerts/{LAG.id}", f"/alerts/{WORSE.id}"):
        page.goto(alert_viewer + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE
    assert page.locator(".timeline:visible").count() == 1
    page.locator("table.plain tbody a").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE


def test_what_is_not_there_is_one_line(alert_viewer: str) -> None:
    """An unknown firing or window is 404, for programs in one line."""
    for path in ("/alerts/nothing", "/windows/nothing"):
        status, _, text = fetch(alert_viewer + path)
        assert (status, text.count("\n")) == (404, 0)
        assert "there is no" in text


def log_in(viewer: str, cluster: Cluster, user: str) -> requests.Session:
    """Return a client that has logged in."""
    client = requests.Session()
    answer = client.post(f"{viewer}/login", data={"user": user, "password": cluster.users[user]})
    assert answer.status_code == 200
    return client


def test_an_operator_silences_and_acknowledges(
    page: Page, acting_viewer: str, elasticsearch: Cluster, alert_viewer: str
) -> None:
    """The author is the user who has logged in; the end of the silence is a form, too; others see both."""
    page.goto(f"{acting_viewer}/alerts/{WORSE.id}")
    page.get_by_label("User of Elasticsearch").fill(OPERATOR)
    page.get_by_label("Password").fill(elasticsearch.users[OPERATOR])
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Tell nobody for").select_option("1d")
    page.get_by_label("Reason").fill("a new version is on its way")
    page.get_by_role("button", name="Silence").click()
    expect(page.locator(".banner", has_text="Silenced by")).to_contain_text(f"{OPERATOR} until {NOW + DAY:%Y-%m-%d}")
    page.get_by_label("What is done about it").fill("rolled back")
    page.get_by_role("button", name="Acknowledge").click()
    facts = page.locator(".facts").first
    expect(facts).to_contain_text(re.compile(rf"Acknowledged by{OPERATOR} at {NOW:%Y}-[\d-]+ [\d:]+ UTC: rolled back"))
    expect(page.locator(".history")).to_contain_text(f"Acknowledged by {OPERATOR}")

    page.goto(f"{alert_viewer}/alerts")
    row = page.locator(ROW).first
    expect(row).to_contain_text(f"silenced by {OPERATOR}")
    expect(row).to_contain_text(re.compile(rf"acknowledged by {OPERATOR} at {NOW:%Y}-[\d-]+ [\d:]+ UTC: rolled back"))
    page.goto(f"{acting_viewer}/alerts/{WORSE.id}")
    page.get_by_role("button", name="End the silence").click()
    expect(page.get_by_role("button", name="Silence", exact=True)).to_be_visible()


def test_nobody_else_writes(acting_viewer: str, elasticsearch: Cluster) -> None:
    """Without a login 401, without the token or the role 403, from another site 403; nothing is written."""
    path = f"/alerts/{WORSE.id}/silence"
    fields = {"length": "1h", "reason": "none"}
    with elasticsearch.client() as client:
        before = client.count(index=SILENCES.alias)["count"]
        stranger = requests.post(acting_viewer + path, data=fields, timeout=30)
        window = log_in(acting_viewer, elasticsearch, "deadletter_reader").get(f"{acting_viewer}/windows/nothing")
        operator = log_in(acting_viewer, elasticsearch, OPERATOR)
        token = TOKEN.findall(operator.get(f"{acting_viewer}/alerts/{WORSE.id}").text)[0]
        without_token = [operator.post(acting_viewer + path, data={**fields, **more}) for more in ({}, {"token": "no"})]
        other_site = operator.post(
            acting_viewer + path, data={**fields, "token": token}, headers={"Origin": "http://evil.example"}
        )
        bad = operator.post(acting_viewer + path, data={"length": "1y", "reason": "long", "token": token})
        program = requests.post(
            acting_viewer + path, data=fields, auth=(OPERATOR, elasticsearch.users[OPERATOR]), timeout=30
        )
        analyst = log_in(acting_viewer, elasticsearch, ANALYST)
        page = analyst.get(f"{acting_viewer}/alerts/{WORSE.id}").text
        borrowed = analyst.post(acting_viewer + path, data={**fields, "token": token})
        client.indices.refresh(index=SILENCES.alias)
        after = client.count(index=SILENCES.alias)["count"]

    assert stranger.status_code == 401
    assert [answer.status_code for answer in (*without_token, other_site, program, borrowed)] == [403] * 5
    assert (window.status_code, "the user lacks this privilege" in window.text) == (403, True)
    assert (bad.status_code, "the silence has no length" in bad.text) == (400, True)
    assert 'name="token"' not in page
    assert "it needs the role alert_operator" in page
    assert after == before


def test_the_forms_are_off_by_default(alert_viewer: str) -> None:
    """Without the setting there is no route that writes, and the page names the commands."""
    for action in ("silence", "unsilence", "acknowledge"):
        assert fetch(f"{alert_viewer}/alerts/{WORSE.id}/{action}", method="POST")[0] == 404
    assert fetch(f"{alert_viewer}/alerts/{WORSE.id}", method="POST")[0] == 405
    text = fetch(f"{alert_viewer}/alerts/{WORSE.id}")[2]
    assert "<form" not in text
    assert "monitor-agent alerts ack" in text
