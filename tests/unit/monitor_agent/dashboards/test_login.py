"""The viewer's login, bounds on time and input, and compressed answers; its Elasticsearch is a stand-in."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from flask.testing import FlaskClient
from hypothesis import strategies as st

from monitor_agent.clock import FixedClock
from monitor_agent.dashboards.app import Viewer, create_app
from monitor_agent.dashboards.assets import static_path
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.login import LoginPages, login_method, require_security
from monitor_agent.dashboards.server import PATIENCE
from monitor_agent.errors import SettingsError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.settings import DashboardsSettings, ElasticsearchSettings
from tests.unit.monitor_agent.dashboards.test_partial_results import KIBANA, NOW, WHOLE, documents
from tests.unit.monitor_agent.es.answers import Answer, Server, serving

TOKEN = "a token that only tests know"
DATA = "/dashboards/serving/data"
PAGE = "/dashboards/serving?from=now-1h&to=now"
REFUSED = Answer({"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}, 401)
NO_SECURITY = Answer({"error": "no handler found for uri [/_security/_authenticate]", "status": 400}, 400)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def respond(lines: list[Any]) -> dict[str, Any]:
    """Return whole responses to searches, or who the user is."""
    return {"responses": [{**WHOLE, **documents(body)} for body in lines[1::2]], "username": "ada"}


@contextlib.contextmanager
def viewer_of(auth: str, *answers: Answer, clock: Clock | None = None) -> Iterator[tuple[FlaskClient, Server]]:
    """Yield a client of a viewer, and the Elasticsearch behind it."""
    choice = DashboardsSettings(auth=auth, token=TOKEN if auth == "token" else "")
    with serving(*(answers or (Answer(respond),))) as server:
        access = ElasticsearchSettings(url=(server.url,))
        method = login_method(choice, access, PATIENCE)
        login = LoginPages(method, clock or Clock()) if method else None
        with contextlib.closing(Gateway(connect(access), PATIENCE)) as gateway:
            yield (
                create_app(
                    Viewer(read_library(KIBANA), gateway, FixedClock(NOW), KIBANA / "vega.js", login)
                ).test_client(),
                server,
            )


def enter(client: FlaskClient, **fields: str) -> Any:
    """Return the answer to the login form."""
    return client.post("/login", data=fields, headers={"Origin": "http://localhost"})


def test_nothing_is_shown_without_the_token() -> None:
    """A page leads to the login and back to itself; data are refused in a form that the page understands."""
    with viewer_of("token") as (client, server):
        page = client.get(PAGE)
        assert (page.status_code, page.headers["Location"]) == (
            303,
            "/login?next=/dashboards/serving?from%3Dnow-1h%26to%3Dnow",
        )
        data = client.get(DATA)
        assert (data.status_code, json.loads(data.data)["login"]) == (401, "/login")
        assert client.get("/dashboards/no-such").status_code == 303
        assert client.get(f"{static_path()}/viewer.js").status_code == 200
        assert "Serving" not in client.get("/login").text
        assert server.requests == []

        entered = enter(client, password=TOKEN, next=PAGE)
        assert (entered.status_code, entered.headers["Location"]) == (303, PAGE)
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(entered.headers["Set-Cookie"].split("; "))
        assert TOKEN not in entered.headers["Set-Cookie"]
        assert (client.get(PAGE).status_code, client.get(DATA).status_code) == (200, 200)

        client.post("/logout", headers={"Origin": "http://localhost"})
        assert client.get(DATA).status_code == 401


def test_the_cookie_is_for_https_only_where_the_page_is() -> None:
    """A browser then never sends it in clear."""
    with viewer_of("token") as (client, _server):
        answer = client.post("/login", data={"password": TOKEN}, base_url="https://localhost")

    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize(
    ("header", "status"),
    [(f"Bearer {TOKEN}", 200), ("Bearer wrong", 401), (f"Basic {TOKEN}", 401), ("Bearer", 401), ("Bearer é", 401)],
)
def test_a_program_sends_the_token_with_each_request(header: str, status: int) -> None:
    """It needs no cookie."""
    with viewer_of("token") as (client, _server):
        assert client.get(DATA, headers={"Authorization": header}).status_code == status


def test_a_wrong_token_is_said_and_guessing_is_slow() -> None:
    """After five failures even the right one waits for a minute."""
    clock = Clock()
    with viewer_of("token", clock=clock) as (client, _server):
        for _ in range(5):
            wrong = enter(client, password="wrong")
            assert (wrong.status_code, "The token is wrong." in wrong.text) == (401, True)
        assert enter(client, password=TOKEN).status_code == 429
        clock.now = 61.0
        assert enter(client, password=TOKEN).status_code == 303


def test_a_session_ends() -> None:
    """When nobody uses it, and after a day in any case."""
    clock = Clock()
    with viewer_of("token", clock=clock) as (client, _server):
        enter(client, password=TOKEN)
        clock.now = 8 * 3600 + 1.0
        assert client.get(DATA).status_code == 401
        enter(client, password=TOKEN)
        for _ in range(6):
            clock.now += 4.5 * 3600
            last = client.get(DATA).status_code
        assert last == 401


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_of_another_site_is_refused(path: str, headers: dict[str, str]) -> None:
    """It could log its visitor in as somebody else, or out."""
    with viewer_of("token") as (client, _server):
        answer = client.post(path, data={"password": TOKEN}, headers=headers)

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "place", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb", "\x00"]
)
def test_the_login_leads_to_pages_of_the_viewer_only(place: str) -> None:
    """Else a link to the login could lead anywhere afterwards."""
    with viewer_of("token") as (client, _server):
        assert enter(client, password=TOKEN, next=place).headers["Location"] == "/"


def test_a_user_of_elasticsearch_searches_with_own_rights() -> None:
    """The password goes to Elasticsearch with each search, and to nobody else."""
    with viewer_of("elasticsearch") as (client, server):
        entered = enter(client, user="ada", password="secret of ada")
        assert entered.status_code == 303
        assert client.get(DATA).status_code == 200
        assert "Log out ada" in client.get("/").text

    assert {path for _, path, _ in server.requests} == {"/_security/_authenticate", "/_msearch"}
    assert "secret" not in entered.headers["Set-Cookie"]


def test_a_user_that_elasticsearch_refuses() -> None:
    """A wrong password, and one that ends while its session runs."""
    with viewer_of("elasticsearch", REFUSED, Answer(respond), REFUSED) as (client, _server):
        assert "The user or the password is wrong." in enter(client, user="ada", password="x").text
        assert enter(client, user="ada", password="y").status_code == 303
        data = client.get(DATA)
        assert (data.status_code, json.loads(data.data)["error"]) == (401, "your login has ended")
        assert client.get(DATA).status_code == 401


def test_an_elasticsearch_that_does_not_answer_is_no_wrong_password() -> None:
    """The person would try all passwords otherwise."""
    with viewer_of("elasticsearch", Answer(dropped=True)) as (client, _server):
        assert "cannot be checked now" in enter(client, user="ada", password="y").text


def test_without_security_nobody_could_log_in() -> None:
    """The viewer does not start; it does start while Elasticsearch does not answer."""
    for answer in (Answer(respond), REFUSED, Answer(dropped=True)):
        with serving(answer) as server, contextlib.closing(gateway_to(server)) as gateway:
            require_security(gateway)
    with (
        serving(NO_SECURITY) as server,
        contextlib.closing(gateway_to(server)) as gateway,
        pytest.raises(SettingsError, match="has no security"),
    ):
        require_security(gateway)


def gateway_to(server: Server) -> Gateway:
    return Gateway(connect(ElasticsearchSettings(url=(server.url,))), PATIENCE)


@pytest.mark.parametrize(
    "settings_", [{"auth": "token"}, {"auth": "token", "token": "short"}, {"auth": "none", "token": TOKEN}]
)
def test_a_token_that_protects_nothing_is_refused(settings_: dict[str, str]) -> None:
    """The operator sees it at the start."""
    with pytest.raises(SettingsError, match="DASHBOARDS_AUTH=token does not say who a visitor is"):
        DashboardsSettings(auth="token", token=TOKEN, alert_actions=True)
    with pytest.raises(SettingsError, match="DASHBOARDS_TOKEN"):
        DashboardsSettings(**settings_)


@pytest.mark.parametrize(
    "query",
    [
        "from=now-99999999y",
        "from=now-2020y",
        "to=now%2B9000y",
        f"from=now-{'9' * 5000}d",
        "from=0001-01-01T00:00Z",
        "from=9999-12-31T23:59:59Z&to=9999-12-31T23:59:59Z",
        "from=now&to=now-1h",
        "from=%00",
        "from=now-1h/",
        "from=2026-13-01",
        "from=" + "x" * 3000,
    ],
)
def test_a_range_that_is_none_is_a_400(query: str) -> None:
    """The line says what to write; no search is sent."""
    with viewer_of("none") as (client, server):
        answer = client.get(f"{DATA}?{query}")

    assert (answer.status_code, list(json.loads(answer.data))) == (400, ["error"])
    assert server.requests == []


@hypothesis.given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
@hypothesis.settings(max_examples=60, deadline=None)
def test_no_text_of_a_request_is_an_error_of_the_viewer(start: str, value: str, name: str) -> None:
    """Whatever a client sends, the answer is a page, data, or a refusal."""
    with viewer_of("none") as (client, _server):
        answers = [
            client.get(DATA, query_string={"from": f"now{start}", "c.model": value, f"c.{name}": value}),
            client.get(DATA, query_string={"from": start, "to": value}),
            client.get("/dashboards/" + name.replace("/", ""), query_string={"refresh": value}),
        ]

    assert {answer.status_code for answer in answers} <= {200, 303, 308, 400, 404}


def test_scripts_are_loaded_once() -> None:
    """A page names all modules of its script at once, and a browser keeps them until their content changes."""
    with viewer_of("none") as (client, _server):
        page = client.get("/dashboards/serving").text
        preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)"', page)
        scripts = {path: client.get(path) for path in preloaded}

    imported = {name for script in scripts.values() for name in re.findall(r'from "\./([^"]+)"', script.text)}
    assert {path.rpartition("/")[2] for path in preloaded} == {*imported, "viewer.js"}
    for script in scripts.values():
        assert script.cache_control.max_age == 365 * 86_400
        assert script.cache_control.immutable


def test_answers_are_compressed_for_clients_that_take_it() -> None:
    """The same content; a short answer stays as it is."""
    style = f"{static_path()}/viewer.css"
    with viewer_of("none") as (client, _server):
        for path in ("/dashboards/serving", DATA, style):
            plain = client.get(path)
            packed = client.get(path, headers={"Accept-Encoding": "br, gzip"})
            assert "Content-Encoding" not in plain.headers
            assert packed.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(packed.data) == plain.data
            assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (plain, packed))
            assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data)
        tag = packed.headers["ETag"]
        again = client.get(style, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
        assert again.status_code == 304
        refused = client.get(style, headers={"Accept-Encoding": "gzip;q=0"})
        assert "Content-Encoding" not in refused.headers
