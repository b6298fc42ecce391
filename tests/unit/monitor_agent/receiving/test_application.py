"""Whom the receiver answers, and how: tokens, pages, limits, full disks, and bodies that nobody should send."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.settings import SourceMapping
from tests.dry_pipeline import documents_of, source_of
from tests.hostile_bodies import changed, damaged
from tests.source_requests import (
    INSTANCES,
    PREDICTIONS,
    REQUEST,
    RESPONSE,
    attributes,
    ce_headers,
    hits_query,
    local_receiver,
    tensor,
    user_event,
)
from tests.unit.monitor_agent.prediction_log.factories import file_size_limit

TOKEN = "a token of the receiver"
INPUTS = {"item": "item", "features.numeric.price": "price", "labels.scene": "scene", "user": "metadata.X-User"}
BODIES = {
    "/": (INSTANCES, PREDICTIONS, {"inputs": [tensor("price", [1.5, 2.5])]}, {"outputs": [tensor("p", [0.5, 0.5])]}),
    "/cloudevents": ({**attributes(RESPONSE), "data": PREDICTIONS}, [{**attributes(REQUEST), "data": INSTANCES}]),
    "/ubi/queries": ([hits_query(query_attributes={"scores": [0.5, 0.25]})],),
    "/ubi/events": ([user_event("click"), user_event("impression")],),
}


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("Bearer wrong", 401),
        ("Digest a", 401),
        ("Basic !", 401),
        (f"bearer {TOKEN}", 202),
        (f"Basic {base64.b64encode(f'kserve:{TOKEN}'.encode()).decode()}", 202),
    ],
)
def test_the_token_is_wanted(tmp_path: Path, authorization: str, status: int) -> None:
    """As a bearer, or as the password of a URL; the health page needs none."""
    with local_receiver(tmp_path, token=TOKEN) as receiver:
        answer = receiver.send(PREDICTIONS, {**ce_headers(RESPONSE), "authorization": authorization})
        assert answer.status == status
        assert ("www-authenticate" in answer.headers) is (status == 401)
        assert receiver.send(path="/healthz", method="GET").status == 200
        assert receiver.send(path="/metrics", method="GET").status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 405), ("POST", "/predict", 404), ("POST", "/healthz", 405), ("HEAD", "/healthz", 200)],
)
def test_paths_and_methods(tmp_path: Path, method: str, path: str, status: int) -> None:
    """Others are refused in one line of JSON."""
    with local_receiver(tmp_path) as receiver:
        answer = receiver.send(b"", path=path, method=method)

        assert answer.status == status
        assert (answer.body == b"") is (method == "HEAD")


def test_pages_of_the_allowed_origins_may_send_events(tmp_path: Path) -> None:
    """A browser asks before; pages of other sites are refused."""
    shop = "https://shop.example.org"
    with local_receiver(tmp_path, allowed_origins=(shop,)) as receiver:
        asked_before = receiver.send(b"", {"origin": shop}, path="/ubi/events", method="OPTIONS")
        allowed = receiver.send(user_event("click"), {"origin": shop}, path="/ubi/events")
        refused = receiver.send(user_event("click"), {"origin": "https://evil.example.net"}, path="/ubi/events")

    assert (asked_before.status, allowed.status, refused.status) == (204, 202, 403)
    assert asked_before.headers["access-control-allow-origin"] == shop
    assert allowed.headers["access-control-allow-origin"] == shop


def test_bodies_are_bounded_and_plain(tmp_path: Path) -> None:
    """A large or compressed one is refused."""
    with local_receiver(tmp_path, max_body_bytes=1000) as receiver:
        assert receiver.send(b" " * 1001, ce_headers(RESPONSE)).status == 413
        assert receiver.send(PREDICTIONS, {**ce_headers(RESPONSE), "content-encoding": "gzip"}).status == 415


def test_a_full_disk_is_no_acceptance(tmp_path: Path) -> None:
    """503, nothing of the request is in the file, and the same request is taken as soon as there is room."""
    with local_receiver(tmp_path) as receiver:
        with capture_logs(), file_size_limit(10):
            answer = receiver.send(PREDICTIONS, ce_headers(RESPONSE))
            health = receiver.send(path="/healthz", method="GET")
        assert (answer.status, answer.headers["retry-after"], health.status) == (503, "5", 503)
        assert receiver.lines() == []
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE)).json == {"predictions": 2}
        assert receiver.send(path="/healthz", method="GET").status == 200
        assert len(receiver.lines()) == 2


@st.composite
def hostile(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers of a request in which something may be wrong."""
    path = draw(st.sampled_from(sorted(BODIES)))
    value = draw(changed(draw(st.sampled_from(BODIES[path]))))
    body = draw(
        st.one_of(
            st.just(json.dumps(value).encode("utf-8", "surrogatepass")),
            damaged(json.dumps(value).encode("utf-8", "surrogatepass")),
        )
    )
    role = draw(st.sampled_from((REQUEST, RESPONSE)))
    headers = ce_headers(role, draw(st.sampled_from(("7b1c", "8", "\x00", "é" * 300))))
    if path == "/cloudevents":
        kinds = ("application/cloudevents+json", "application/cloudevents-batch+json", "")
        headers = {"content-type": draw(st.sampled_from(kinds))}
    elif draw(st.booleans()):
        name = draw(st.sampled_from(sorted(headers)))
        headers[name] = draw(st.sampled_from(("", "all", "%ff", "x" * 5000, "2026-02-30T00:00:00Z", "1.0", "[]")))
    return path, body, headers


def test_no_body_makes_the_receiver_fail(tmp_path: Path) -> None:
    """Each request is answered by 202 or 4xx with a reason, and each line that is written is read by the pipeline."""
    mappings = {
        "click": SourceMapping(inputs=INPUTS),
        "default": SourceMapping(inputs={"score": "query_attributes.scores", "value": "value"}),
    }
    with local_receiver(tmp_path, mappings, overtaking=timedelta()) as receiver:

        @hypothesis.settings(max_examples=100, deadline=None)
        @hypothesis.given(hostile())
        def send(request: tuple[str, bytes, dict[str, str]]) -> None:
            path, body, headers = request
            answer = receiver.send(body, headers, path=path)
            assert answer.status in (202, 400), answer.json
            assert answer.status == 202 or answer.json["error"]["message"]

        send()
        indices = {index_of(event) for event in receiver.lines()}

    assert indices <= {"model-predictions", "model-feedback"}


def index_of(event: dict[str, Any]) -> str:
    """Return the index to which the pipeline sends an event, without its day."""
    ((index, _, _),) = documents_of(source_of(FileInput).events_of(json.dumps(event).encode(), "/logs/a.ndjson"))
    return index.rpartition("-")[0]
