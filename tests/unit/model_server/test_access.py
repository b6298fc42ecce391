"""Who may send requests: keys, origins of web pages, types of bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from model_server.api_keys import FEEDBACK, PREDICT, ApiKeys, add_key
from monitor_agent.errors import SettingsError
from monitor_agent.http_serving.requests import REFUSAL
from monitor_agent.settings import ServerSettings
from tests.unit.model_server.factories import TEXTS
from tests.unit.model_server.test_app import World, serving

SHOP = "https://shop.example.org"
STRANGER = "https://evil.example.net"
CLICK = {"prediction_id": "p", "type": "click"}
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """Yield an open server that takes requests of the shop's pages."""
    with serving(tmp_path, allowed_origins=(SHOP,)) as served:
        yield served


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Origin": STRANGER}, "application/json"),
        ({"Origin": STRANGER}, "text/plain;charset=UTF-8"),
        ({"Origin": STRANGER}, "application/x-www-form-urlencoded"),
        ({"Origin": STRANGER}, "multipart/form-data; boundary=x"),
        ({"Origin": "null"}, "text/plain"),
        ({"Origin": f"{SHOP}.example.net"}, "text/plain"),
        ({"Origin": "http://shop.example.org"}, "text/plain"),
        ({"Sec-Fetch-Site": "cross-site"}, "application/json"),
    ],
)
@pytest.mark.parametrize("path", ["/feedback", "/predict", "/elsewhere"])
def test_a_page_of_somebody_else_posts_nothing(shop: World, path: str, headers: dict[str, str], kind: str) -> None:
    """A browser that is inside the network must not become a door into it."""
    answer = shop.client.post(path, data=json.dumps(CLICK), headers=headers, content_type=kind)

    assert answer.status_code == 403
    assert answer.get_json()["error"]["type"] == "ForbiddenOriginError"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert {event["event"]["dataset"] for event in shop.events()} == {"model.request_error"}


@pytest.mark.parametrize("kind", ["application/json", "text/plain;charset=UTF-8", None])
def test_a_page_of_the_shop_sends_clicks(shop: World, kind: str | None) -> None:
    """`navigator.sendBeacon` sends text, or bytes without a type; the page may read the answer."""
    answer = shop.client.post("/feedback", data=json.dumps(CLICK), headers={"Origin": SHOP}, content_type=kind)

    assert answer.status_code == 202
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]


def test_a_page_may_read_errors(shop: World) -> None:
    """Else its developer sees only that something failed."""
    answer = shop.client.post("/predict", data=b"{", headers={"Origin": SHOP}, content_type="application/json")

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, SHOP)


def test_the_server_s_own_pages_are_no_strangers(shop: World) -> None:
    """Such as a form behind the same address."""
    for origin, base in (("http://ml.example.org", "http://ml.example.org:80"), ("https://ml", "https://ml:443")):
        answer = shop.client.post("/feedback", json=CLICK, headers={"Origin": origin}, base_url=base)
        assert answer.status_code == 202


def test_a_preflight_is_answered_for_allowed_pages_only(shop: World) -> None:
    """It needs no key: browsers send none with it."""
    question = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = shop.client.options("/predict", headers={"Origin": SHOP, **question})
    refused = shop.client.options("/predict", headers={"Origin": STRANGER, **question})

    assert allowed.status_code == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert {"Content-Type", "Authorization", "X-API-Key"} <= set(
        allowed.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_all_pages_are_allowed_where_the_operator_says_so(tmp_path: Path) -> None:
    """`*` is a choice, and no browser sends credentials with it."""
    with serving(tmp_path, allowed_origins=("*",)) as world:
        answer = world.client.post(
            "/feedback", data=json.dumps(CLICK), headers={"Origin": "null"}, content_type="text/plain"
        )

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (202, "*")
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/predict", "/feedback"])
@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "application/xml"]
)
def test_a_body_that_does_not_say_that_it_is_json_is_refused(shop: World, path: str, kind: str) -> None:
    """The answer says what to send; text is taken from allowed pages only."""
    answer = shop.client.post(path, data=json.dumps(CLICK), content_type=kind)

    assert answer.status_code == 415
    assert "application/json" in answer.get_json()["error"]["message"]


def test_json_may_name_its_charset(shop: World) -> None:
    """Many clients do."""
    answer = shop.client.post("/predict", data=json.dumps(TEXTS), content_type="application/json; charset=utf-8")

    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["shop.example.org", "https://shop.example.org/", "ftp://shop", "null"])
def test_a_setting_that_no_browser_sends_is_refused(origin: str) -> None:
    """The operator sees it at the start."""
    with pytest.raises(SettingsError, match="MODEL_SERVER_ALLOWED_ORIGINS"):
        ServerSettings(allowed_origins=(origin,))


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[World, dict[str, str]]]:
    """Yield a server that wants keys, and the keys by their names."""
    path = tmp_path / "keys.json"
    keys = {"predictor": add_key(path, "predictor", [PREDICT], NOW), "shop": add_key(path, "shop", [FEEDBACK], NOW)}
    with serving(tmp_path / "log", keys=ApiKeys(path), allowed_origins=(SHOP,)) as served:
        yield served, keys


def test_a_key_opens_what_it_has_a_right_for(keyed: tuple[World, dict[str, str]]) -> None:
    """Both headers are taken; a key without the right gets 403, which names the right."""
    world, keys = keyed
    bearer, header = {"Authorization": f"bearer {keys['predictor']}"}, {"X-API-Key": keys["shop"]}

    assert world.client.post("/predict", json=TEXTS, headers=bearer).status_code == 200
    assert world.client.post("/feedback", json=CLICK, headers=header).status_code == 202
    assert world.client.get("/metrics", headers=header).status_code == 200
    refused = world.client.post("/predict", json=TEXTS, headers=header)
    assert refused.status_code == 403
    assert "shop lacks the right predict" in refused.get_json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic c2hvcDpzaG9w"},
        {"X-API-Key": ""},
        {"X-API-Key": "mmk_é"},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
def test_without_a_key_nothing_is_read_counted_or_logged(
    keyed: tuple[World, dict[str, str]], headers: dict[str, str]
) -> None:
    """A flood of strangers fills no disk; a body that is not JSON does not matter."""
    world, _keys = keyed
    answers = [world.client.post(path, data=b"{", headers=headers) for path in ("/predict", "/feedback")]
    answers.append(world.client.get("/metrics", headers=headers))

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(answer.headers["WWW-Authenticate"] == "Bearer" for answer in answers)
    assert world.events() == []


STRANGERS_REQUESTS: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/elsewhere", {}, 404),
    ("POST", "/elsewhere", {"X-API-Key": "mmk_unknown"}, 404),
    ("POST", "/healthz", {}, 405),
    ("POST", "/predict", {"Origin": STRANGER}, 403),
    ("POST", "/feedback", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("OPTIONS", "/predict", {"Origin": STRANGER, "Access-Control-Request-Method": "POST"}, 403),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), STRANGERS_REQUESTS)
def test_nothing_that_strangers_send_fills_the_disk(
    keyed: tuple[World, dict[str, str]], method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Whatever is wrong with it; the same from somebody with a key is an event."""
    world, keys = keyed
    assert world.client.open(path, method=method, headers=headers).status_code == status
    assert world.events() == []

    assert world.client.open(path, method=method, headers={**headers, "X-API-Key": keys["shop"]}).status_code == status
    (event,) = world.events()
    assert event["http"]["response"]["status_code"] == status


def test_a_refusal_before_the_application_is_logged_for_known_keys_only(keyed: tuple[World, dict[str, str]]) -> None:
    """The HTTP server finds broken and too large requests, and foreign host names."""
    world, keys = keyed
    refusal = {REFUSAL: (421, "another host")}

    for headers in ({}, {"X-API-Key": keys["shop"]}):
        answer = world.client.get("/healthz", headers=headers, environ_overrides=refusal)
        assert answer.status_code == 421
    assert len(world.events()) == 1


def test_probes_need_no_key(keyed: tuple[World, dict[str, str]]) -> None:
    """Kubernetes and load balancers have none."""
    world, _keys = keyed

    assert [world.client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_page_without_a_key_gets_no_further(keyed: tuple[World, dict[str, str]]) -> None:
    """A beacon cannot carry a key; the page may read why it is refused."""
    world, _keys = keyed
    answer = world.client.post("/feedback", data=b"{}", headers={"Origin": SHOP}, content_type="text/plain")

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, SHOP)
