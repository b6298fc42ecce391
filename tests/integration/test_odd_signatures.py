"""No signature of a SavedModel ends in a traceback: it is served, or refused with one line."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, reject, seed, settings

from model_server.cli import main as model_server_command
from monitor_agent.errors import MonitorError
from tests.odd_models import OddModel, odd_models
from tests.served_models import Client, serving

STATUSES = {200, 400, 404, 415, 500}
VALUES: tuple[Any, ...] = (1, [1.5], [[1, 2], [3, 4]], "a", {"b64": "AA=="}, True, [], None)
IDS = {"input_seq": [1, 2], "input_mask": [1, 1], "segment_ids": [0, 0]}
JSON = {"Content-Type": "application/json"}


def assert_inspected(folder: Path) -> None:
    """`inspect` says what would be served, or why nothing is."""
    for option in ([], ["--json"]):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
            status = model_server_command(["inspect", str(folder), *option])
        assert status in (0, 1)
        assert "Traceback" not in out.getvalue() + errors.getvalue()
        assert len([line for line in errors.getvalue().splitlines() if line.startswith("error: ")]) <= status


def assert_answers(client: Client, model: OddModel) -> None:
    """Requests are answered, or refused; only the model itself may fail."""
    bodies: list[Any] = [{"instances": [IDS]}, {"instances": [{"text": "a"}]}, {"instances": [{}, {}]}]
    for value in VALUES:
        bodies.append({"instances": [{"inputs": dict.fromkeys(model.specs, value)}]})
        bodies.append({"instances": [{"features": {"price": 1.5, "age": 2}, "inputs": value}] * 2})
    rows = [{"instances": [dict.fromkeys(model.specs, value)]} for value in VALUES]
    columns = [{"inputs": {column: [value] for column in model.specs}} for value in VALUES]
    requests = [("/predict", body) for body in bodies] + [("/v1/models/shop:predict", body) for body in rows + columns]
    for path, body in requests:
        status, answer = client.post(path, json.dumps(body).encode(), headers=JSON)
        assert status in STATUSES, answer
        if status == 500:
            error = answer["error"]
            assert (error if isinstance(error, str) else error["message"]).startswith("the model"), answer
    assert [client.get(path)[0] for path in ("/openapi.json", "/v1/models/shop/metadata")] == [200, 200]


@pytest.mark.parametrize("examples", [15, pytest.param(500, marks=pytest.mark.soak)])
def test_no_signature_ends_in_a_traceback(examples: int) -> None:
    """Any types, ranks, names, numbers of outputs, and entries of `model.json`."""
    served, refused = [], []

    @seed(20261129)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(model=odd_models())
    def serve(model: OddModel) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                model.save(folder / "saved")
            except (ValueError, TypeError, LookupError):  # TensorFlow cannot save it
                reject()
            assert_inspected(folder / "saved")
            try:
                with serving(folder, model) as client:
                    served.append(model)
                    assert_answers(client, model)
            except MonitorError as error:
                refused.append(str(error))

    serve()

    assert served, "some of them must be served"
    assert all(refused), "each refusal says why"
