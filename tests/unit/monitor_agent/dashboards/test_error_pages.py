"""What a person and a program see when something is wrong; the viewer's Elasticsearch is a stand-in."""

from __future__ import annotations

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from monitor_agent.dashboards import visitor_work
from monitor_agent.dashboards.assets import static_path
from tests.unit.monitor_agent.dashboards.test_login import DATA, TOKEN, enter, respond, viewer_of
from tests.unit.monitor_agent.es.answers import Answer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SECRET = "secret of the inside"


def broken(client: FlaskClient) -> FlaskClient:
    """Let a page of the viewer have a defect, and return the client."""
    application = client.application
    assert isinstance(application, Flask)

    def fail() -> str:
        raise KeyError(SECRET)

    application.add_url_rule("/defect", "defect", fail)
    return client


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nothing", 404, "there is no page /nothing"),
        ("GET", "/static/nothing.js", 404, "there is no page /static/nothing.js"),
        ("GET", "/<script>", 404, "there is no page /<script>"),
        ("GET", "/dashboards/nothing", 404, "no dashboard is called nothing"),
        ("GET", "/vega/old.js", 404, "load the page again"),
        ("DELETE", "/dashboards/serving", 405, "DELETE is not allowed here: use GET or HEAD or OPTIONS"),
        ("POST", "/", 405, "POST is not allowed here"),
        ("GET", "/defect", 500, "the viewer failed; its log gives the reason"),
    ],
)
def test_a_person_gets_a_page_and_a_program_one_line(method: str, path: str, status: int, words: str) -> None:
    """Neither holds anything of the inside."""
    with viewer_of("none") as (client, _server), capture_logs() as lines:
        broken(client)
        page = client.open(path, method=method, headers=BROWSER)
        line = client.open(path, method=method)
        dots = client.open(path, method=method, headers={"Accept": "*/*"})

    assert [answer.status_code for answer in (page, line, dots)] == [status] * 3
    assert page.mimetype == "text/html"
    assert f'href="{static_path()}/viewer.css"' in page.text
    assert 'href="/">All dashboards' in page.text
    assert words.replace("<", "&lt;").replace(">", "&gt;").lower() in page.text.lower()
    assert "<script>" not in page.text.replace("</script>", "").partition("<body>")[2]
    assert line.data == dots.data
    assert list(json.loads(line.data)) == ["error"]
    assert words in json.loads(line.data)["error"]
    assert len(line.data.splitlines()) == 1
    assert not re.search(f"Traceback|KeyError|{SECRET}", page.text + line.text)
    assert ("Allow" in page.headers) == (status == 405)
    assert any(line["log_level"] == "error" for line in lines) == (status == 500)


@pytest.mark.parametrize(("query", "status"), [("", 404), ("?from=nonsense", 404)])
def test_data_of_an_unknown_dashboard(query: str, status: int) -> None:
    """The API says that there is none, and which there are, whoever asks."""
    with viewer_of("none") as (client, server):
        for headers in ({}, BROWSER):
            answer = client.get(f"/dashboards/nothing/data{query}", headers=headers)
            assert answer.status_code == status
            assert json.loads(answer.data)["error"].startswith("no dashboard is called nothing: there are ")
        wrong_method = client.post(DATA)
    assert (wrong_method.status_code, wrong_method.mimetype) == (405, "application/json")
    assert server.requests == []


def test_a_wrong_time_range_leaves_the_time_picker() -> None:
    """The page says what is wrong, and the person can correct it."""
    with viewer_of("none") as (client, _server):
        page = client.get("/dashboards/serving?from=now-99999999y&to=now", headers=BROWSER)
        right = client.get("/dashboards/serving?from=&to=", headers=BROWSER)
        data = client.get(f"{DATA}?from=&to=")

    assert page.status_code == 400
    (banner,) = re.findall(r'<div class="banner error" id="banner" role="status">(.*?)</div>', page.text)
    assert banner.startswith("&#39;now-99999999y&#39; is no time: write ")
    assert 'id="time-form"' in page.text
    assert (right.status_code, data.status_code) == (200, 200)  # an empty time is the dashboard's own


def test_an_elasticsearch_that_fails_is_reported_with_the_right_status() -> None:
    """502: a proxy and a person know that the viewer itself works."""
    with viewer_of("none", Answer(dropped=True)) as (client, _server):
        answer = client.get(DATA)

    assert (answer.status_code, list(json.loads(answer.data))) == (502, ["error"])


def test_a_busy_viewer_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for searches, for the login form and for programs that log in with each request."""
    monkeypatch.setattr(visitor_work, "LONGEST_QUEUE_SECONDS", 0.01)
    monkeypatch.setattr(visitor_work, "MOST_AT_ONCE", 0)
    with viewer_of("none") as (client, server):
        answers = [client.get(DATA)]
    with viewer_of("elasticsearch") as (client, login_server):
        answers += [enter(client, user="ada", password="x"), client.get(DATA, auth=("ada", "x"))]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert [answer.headers["Retry-After"] for answer in answers] == ["3"] * 3
    assert "Elasticsearch is slow" in answers[0].text
    assert "The password cannot be checked now: " in answers[1].text
    assert "aria-invalid" not in answers[1].text
    assert server.requests == login_server.requests == []


def test_a_login_that_fails_has_the_right_status() -> None:
    """A wrong password is no fault of Elasticsearch, and the reverse."""
    with viewer_of("elasticsearch", Answer(dropped=True)) as (client, _server):
        assert enter(client, user="ada", password="x").status_code == 502
    with viewer_of("token") as (client, _server):
        wrong = enter(client, password="x")
        for _ in range(5):
            waits = enter(client, password="x")
    assert (wrong.status_code, "Retry-After" in wrong.headers) == (401, False)
    assert (waits.status_code, waits.headers["Retry-After"]) == (429, "60")
    assert "aria-invalid" in wrong.text


def test_a_person_without_a_login_is_led_to_it_from_everywhere() -> None:
    """A program and the script of a page get one line."""
    with viewer_of("token") as (client, _server):
        pages = [client.get(path, headers=BROWSER) for path in ("/nothing", "/dashboards/none?a=1")]
        left = client.post("/logout", headers={**BROWSER, "Origin": "http://localhost"})
        line = client.get("/nothing")
        data = client.get(DATA, headers=BROWSER)
        enter(client, password=TOKEN)
        logged_in = client.get("/nothing", headers=BROWSER)

    places = [page.headers["Location"] for page in pages]
    assert places == ["/login?next=/nothing", "/login?next=/dashboards/none?a%3D1"]
    assert (left.status_code, left.headers["Location"]) == (303, "/login")
    assert (line.status_code, data.status_code) == (401, 401)
    assert (logged_in.status_code, "Log out" in logged_in.text) == (404, True)


def test_a_login_that_comes_too_late_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person gets an answer in time."""
    monkeypatch.setattr("monitor_agent.dashboards.app.LONGEST_SECONDS", 0.05)
    with viewer_of("elasticsearch", Answer(respond, after_seconds=0.5)) as (client, _server):
        answer = enter(client, user="ada", password="x")

    assert answer.status_code == 502
    assert "does not answer in time" in answer.text
    assert "Set-Cookie" not in answer.headers
