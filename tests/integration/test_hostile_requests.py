"""No request makes the server fail: right bodies with wrong places, damaged bytes, odd headers, on every route."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, seed, settings

from tests import hostile_bodies
from tests.foreign_models import ForeignModel, models
from tests.served_models import Client, serving

MODELS = models()
REFUSALS = {400, 403, 404, 405, 413, 415}
SUCCESSES = {200, 202}
FEW = ("bert by its new names, int64", "named columns", "tf.Example of features")
SERVING_PATHS = (
    "/v1/models/shop",
    "/v1/models/shop/versions/3",
    "/v1/models/shop/versions/99",
    "/v1/models/shop/labels/stable",
    "/v1/models/x%00y",
)


def columns_of(foreign: ForeignModel) -> dict[str, list[Any]]:
    """Return the columns of a direct call as TensorFlow Serving's clients send them."""
    columns = foreign.columns if isinstance(foreign.columns, Mapping) else foreign.columns()

    def sent(value: Any) -> Any:
        return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    return {name: [sent(value) for value in values] for name, values in columns.items()}


def bodies(foreign: ForeignModel) -> dict[str, list[Any]]:
    """Return right bodies of each path."""
    instances, columns = foreign.instances, columns_of(foreign)
    context = {"session_id": "s", "user_id": "u", "query": "q", "labels": {"scene": "search"}}
    logged = {
        "item_id": "i",
        "position": 1,
        "propensity": 0.5,
        "ranking": {"id": "l", "rank": 1, "size": 2},
        "shadow": False,
        "features": {"price": 1.5, "brand": "b"},
    }
    click = {
        "prediction_id": "p",
        "type": "label",
        "label": 1,
        "value": 2.5,
        "event_id": "e",
        "timestamp": "2026-11-29",
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=False)]
    routes: dict[str, list[Any]] = {
        "/predict": [
            {"instances": [{**logged, **instance} for instance in instances], "context": context},
            {**instances[0], "context": context},
        ],
        "/feedback": [click, [click, click]],
        "/healthz": [{}],
        "/v1/config/reload": [{}],
    }
    for path in SERVING_PATHS:
        routes[f"{path}:predict"] = [
            {"signature_name": "serving_default", "instances": rows},
            {"inputs": columns},
        ]
        routes[f"{path}:classify"] = routes[f"{path}:regress"] = [{"context": {"a": 1}, "examples": rows}]
    return routes


def assert_answered(client: Client, path: str, body: bytes, headers: dict[str, str]) -> None:
    """A request is accepted, or refused with one line that says why."""
    status, answer = client.post(path, body, headers=headers)
    assert status in SUCCESSES | REFUSALS, (path, body[:300], headers, answer)
    if status in REFUSALS:
        error = answer["error"]
        message = error if isinstance(error, str) else error["message"]
        assert message
        assert "Traceback" not in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "examples"),
    [*((name, 60) for name in FEW), *(pytest.param(name, 300, marks=pytest.mark.soak) for name in MODELS)],
)
def test_no_request_makes_the_server_fail(name: str, examples: int, tmp_path: Path) -> None:
    """Each gets an answer that its client can understand, and right requests are answered afterwards."""
    foreign = MODELS[name]
    with serving(tmp_path, dataclasses.replace(foreign, card={**foreign.card, "max_seq_length": 8})) as client:

        @seed(20261129)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @hypothesis.given(request=hostile_bodies.requests(bodies(foreign)))
        def send(request: tuple[str, bytes, dict[str, str]]) -> None:
            assert_answered(client, *request)

        send()
        status, answer = client.post(
            "/predict", {"instances": foreign.instances}, headers={"Content-Type": "application/json"}
        )

    assert status == 200, answer
