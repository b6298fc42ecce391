"""Every request gets a JSON answer, and the expected events are written."""

from __future__ import annotations

import gzip
import io
import json
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from model_server.api_keys import ApiKeys
from model_server.app import create_app
from model_server.loaded_model import LoadedModel
from model_server.model_service import ModelService, ServiceDependencies
from model_server.request_counters import RequestCounters
from monitor_agent.prediction_log import EventLog
from monitor_agent.settings import ServerSettings
from tests.unit.model_server.factories import IDS, TEXTS, FunctionEngine, make_serving
from tests.unit.monitor_agent.prediction_log.factories import NOW, make_log, make_prediction_log

SCORE = 0.75
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def same_score(inputs: list[Any]) -> list[float]:
    return [SCORE for _ in inputs]


class World:
    """A served application without a socket: its client and its event log."""

    def __init__(self, client: FlaskClient, log: EventLog, loaded: LoadedModel) -> None:
        self.client = client
        self.log = log
        self.loaded = loaded

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Post a JSON body, or bytes unchanged; return the status and the decoded answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.client.post(
            path, data=data, headers={"traceparent": TRACEPARENT}, content_type="application/json"
        )
        return answer.status_code, answer.get_json()

    def events(self) -> list[dict[str, Any]]:
        """Return the events logged so far, in file order."""
        return [json.loads(line) for line in self.log.path.read_text().splitlines()]


@contextmanager
def serving(
    folder: Path,
    compute: Callable[[list[Any]], Any] = same_score,
    keys: ApiKeys | None = None,
    **changes: Any,
) -> Iterator[World]:
    """Yield an application over real dependencies; the model is a function."""
    settings = ServerSettings(**{"max_body_bytes": 100_000, **changes})
    log = make_log(folder)
    prediction_log = make_prediction_log(log, answer_on_failure=settings.on_failure == "answer")
    served = make_serving(settings, FunctionEngine(compute), prediction_log)
    loaded = served.models["click"].versions["7"].content
    loaded.batcher.start()
    service = ModelService(ServiceDependencies(settings, prediction_log, lambda: served, lambda: served))
    yield World(create_app(service, RequestCounters(service.figures), lambda: NOW, keys).test_client(), log, loaded)
    loaded.batcher.stop()
    log.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path) as served:
        yield served


def test_one_instance_is_answered_in_the_short_form(world: World) -> None:
    """The answer has prediction, id, label and model; the event has the same values."""
    status, answer = world.post("/predict", IDS)

    (event,) = world.events()
    assert status == 200
    assert answer == {
        "prediction": SCORE,
        "prediction_id": event["prediction"]["id"],
        "label": 1,
        "model": {"name": "click", "version": "7"},
    }
    assert (event["prediction"]["score"], event["prediction"]["label"]) == (SCORE, 1)
    assert (event["trace"]["id"], event["span"]["id"]) == ("a" * 32, "b" * 16)


def test_a_batch_is_answered_in_its_order(tmp_path: Path) -> None:
    """Each instance has its prediction with rank; all events share request id and duration."""
    scores = {b"low": 0.1, b"high": 0.9}
    with serving(tmp_path, lambda inputs: [scores[entry.values[1].item()] for entry in inputs]) as world:
        rows = [{"text_a": "a", "text_b": name} for name in ("low", "high", "low")]
        answer = world.client.post("/predict", json={"instances": rows, "context": {"labels": {"scene": "ad"}}})
        events = world.events()

    predictions = answer.get_json()["predictions"]
    assert [(row["score"], row["label"], row["rank"]) for row in predictions] == [(0.1, 0, 2), (0.9, 1, 1), (0.1, 0, 3)]
    assert [row["prediction_id"] for row in predictions] == [event["event"]["id"] for event in events]
    assert {event["http"]["request"]["id"] for event in events} == {answer.headers["X-Request-Id"]}
    assert len({event["event"]["duration"] for event in events}) == 1
    assert {event["labels"]["scene"] for event in events} == {"ad"}
    assert [event["event"]["sequence"] for event in events] == [1, 2, 3]


def test_feedback_is_accepted_by_its_ids(world: World) -> None:
    """The answer 202 has the event ids: the client's id if there is one, else the server's."""
    body = [
        {"prediction_id": "p1", "type": "click", "event_id": "mine"},
        {"prediction_id": "p2", "type": "label", "label": 0},
    ]

    status, answer = world.post("/feedback", body)

    events = world.events()
    assert status == 202
    assert answer == {"event_ids": ["mine", events[1]["event"]["id"]]}
    assert [(event["prediction"]["id"], event["feedback"]["type"]) for event in events] == [
        ("p1", "click"),
        ("p2", "label"),
    ]


def test_feedback_of_one_request_keeps_its_order(world: World) -> None:
    """A click and its `label: 0` have different times, so the agent knows which of them is the last word."""
    world.post("/feedback", [{"prediction_id": "p", "type": "click", "label": label} for label in (1, 0, 1)])

    times = [event["@timestamp"] for event in world.events()]
    assert times == sorted(set(times))


def test_repeated_feedback_has_the_same_id(world: World) -> None:
    """A retry becomes the same document downstream."""
    body = {"prediction_id": "p1", "type": "click", "event_id": "mine"}

    assert world.post("/feedback", body) == world.post("/feedback", body)
    assert [event["event"]["id"] for event in world.events()] == ["mine", "mine"]


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "field"),
    [
        ("/predict", b"{", 400, "ValidationError", None),
        ("/predict", b'{"text_a": NaN}', 400, "ValidationError", None),
        ("/predict", b"\xff", 400, "ValidationError", None),
        ("/predict", b"", 400, "ValidationError", None),
        ("/predict", b"[" * 5000, 400, "ValidationError", None),
        ("/predict", {**IDS, "input_mask": [1]}, 400, "ValidationError", "input_mask"),
        ("/predict", {"instances": [TEXTS, {}]}, 400, "ValidationError", "instances[1].input_seq"),
        ("/predict", {**TEXTS, "x" * 5000: 1}, 400, "ValidationError", ("x" * 5000)[:1000]),
        ("/predict", b" " * 100_001, 413, "BodyTooLargeError", None),
        ("/feedback", [{"prediction_id": "p", "type": "click"}, 1], 400, "ValidationError", "[1]"),
        ("/nothing", {}, 404, "NotFound", None),
        ("/healthz", {}, 405, "MethodNotAllowed", None),
    ],
)
def test_a_refusal_is_answered_and_logged(
    world: World, path: str, body: Any, status: int, kind: str, field: str | None
) -> None:
    """The answer has type, message and field; one error event has the same values, and nothing else is logged.

    A field's name that is longer than names of settings is in the answer only.
    """
    answered, answer = world.post(path, body)

    (event,) = world.events()
    assert (answered, answer["error"]["type"], answer["error"]["field"]) == (status, kind, field)
    assert event["event"]["dataset"] == "model.request_error"
    assert event["error"]["type"] == kind
    message = answer["error"]["message"]
    assert event["error"]["message"].startswith("?: unknown field" if len(field or "") > 64 else message)
    assert (event["http"]["response"]["status_code"], event["url"]["path"]) == (status, path)


@pytest.mark.parametrize(
    ("labels", "logged"),
    [
        ({"scene": "ad"}, {"scene": "ad"}),
        ({"scene": "ad", "unknown": "x", "shop": 7}, {"scene": "ad"}),
        ({"scene": "x" * 257}, None),
        (["ad"], None),
        (None, None),
    ],
)
def test_a_refusal_is_logged_with_the_labels_of_its_request(world: World, labels: Any, logged: Any) -> None:
    """Right labels are logged whatever else is wrong: so the segment of the label counts the error."""
    world.post("/predict", {"text_a": 1, "context": {"labels": labels}})

    (event,) = world.events()
    assert event["event"]["dataset"] == "model.request_error"
    assert event.get("labels") == logged


def test_labels_that_make_the_line_of_an_error_too_long_are_left_out(tmp_path: Path) -> None:
    """The error itself is logged."""
    names = tuple(f"label{number}" for number in range(16))
    with serving(tmp_path, labels=names) as world:
        status, _ = world.post(
            "/predict", {"\x01" * 9999: 1, "context": {"labels": dict.fromkeys(names, "\x01" * 256)}}
        )

        assert status == 400
        assert [event["event"]["dataset"] for event in world.events()] == ["model.request_error"]


def test_nothing_of_a_bad_list_is_accepted(world: World) -> None:
    """One wrong element refuses the whole request."""
    world.post("/feedback", [{"prediction_id": "p", "type": "click"}, {"prediction_id": "p", "type": "like"}])
    world.post("/predict", {"instances": [TEXTS, {**TEXTS, "position": 0}]})

    assert {event["event"]["dataset"] for event in world.events()} == {"model.request_error"}


def test_an_event_too_long_for_a_line_is_refused(tmp_path: Path) -> None:
    """The instance whose event would be above 32 KiB is named, before anything is accepted."""
    features = {f"name{number}": "x" * 1000 for number in range(40)}

    with serving(tmp_path, log_other_features=True) as world:
        status, answer = world.post("/predict", {"instances": [TEXTS, {**TEXTS, "features": features}]})
        logged = world.events()

    assert (status, answer["error"]["field"]) == (400, "instances[1]")
    assert "at most 32768" in answer["error"]["message"]
    assert [event["event"]["dataset"] for event in logged] == ["model.request_error"]


def test_features_that_are_left_out_are_counted_and_announced_once(tmp_path: Path) -> None:
    """A user who forgets to list a feature notices it; neither values nor odd names are in the event or in the log."""
    features = {"price": 1.5, "salary": 90_000, "ada@example.org": "x"}
    with serving(tmp_path, numeric_features=("price",)) as world, structlog.testing.capture_logs() as printed:
        for _ in range(2):
            assert world.post("/predict", {**TEXTS, "features": features})[0] == 200
        metrics = world.client.get("/metrics").get_data(as_text=True)
        logged = world.events()

    assert "model_server_features_left_out_total 4.0" in metrics
    assert [event["features"] for event in logged] == [{"numeric": {"price": 1.5}}] * 2
    (warning,) = printed
    assert "MODEL_SERVER_LOG_OTHER_FEATURES" in warning["event"]
    assert warning["features"] == ["salary"]


PERSON = "ada@example.org"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", {PERSON: 1}),
        ("/predict", {**TEXTS, PERSON: 1}),
        ("/predict", {**TEXTS, "features": {PERSON: [1]}}),
        ("/predict", {**TEXTS, "item_id": [PERSON], "features": PERSON}),
        ("/predict", PERSON),
        ("/feedback", {PERSON: "click"}),
        ("/feedback", {"prediction_id": [PERSON], "type": PERSON, "label": PERSON}),
        (f"/users/{PERSON}", {}),
    ],
)
def test_the_event_of_a_refusal_holds_nothing_that_a_client_has_chosen(world: World, path: str, body: Any) -> None:
    """The answer names the unknown field or path; the event, which goes to Elasticsearch, has a sign in its place."""
    status, _ = world.post(path, body)

    (event,) = world.events()
    assert status in (400, 404)
    assert event["event"]["dataset"] == "model.request_error"
    assert PERSON not in json.dumps(event)


def test_a_model_that_fails_is_a_500(tmp_path: Path) -> None:
    """The answer has the reason in one line; no prediction is logged."""

    def fail(_inputs: list[Any]) -> list[float]:
        raise ValueError("shapes differ\nlong story")

    with serving(tmp_path, fail) as world:
        status, answer = world.post("/predict", {**TEXTS, "context": {"labels": {"scene": "ad"}}})
        (event,) = world.events()

    assert (status, answer["error"]["type"]) == (500, "ModelFailureError")
    assert answer["error"]["message"] == "the model failed (shapes differ)"
    assert (event["log"]["level"], event["message"], event["labels"]) == ("error", "request failed", {"scene": "ad"})


def test_a_score_that_is_no_number_is_a_500(tmp_path: Path) -> None:
    """NaN is never answered or logged as a prediction."""
    with serving(tmp_path, lambda inputs: [float("nan") for _ in inputs]) as world:
        status, answer = world.post("/predict", TEXTS)

        assert (status, answer["error"]["type"]) == (500, "ModelFailureError")
        assert [event["event"]["dataset"] for event in world.events()] == ["model.request_error"]


def test_a_busy_model_is_a_503_and_a_late_one_a_504(tmp_path: Path) -> None:
    """If the queue is full, the answer has Retry-After; a wait that is too long ends."""
    entered, release = threading.Event(), threading.Event()

    def wait(inputs: list[Any]) -> list[float]:
        entered.set()
        release.wait(10)
        return same_score(inputs)

    with (
        serving(tmp_path, wait, max_queue=1, predict_timeout=timedelta(seconds=1)) as world,
        ThreadPoolExecutor(2) as pool,
    ):
        late = pool.submit(world.post, "/predict", TEXTS)
        assert entered.wait(10)
        refused = world.client.post("/predict", json={"instances": [TEXTS, TEXTS]})
        assert late.result()[0] == 504
        release.set()
        kinds = [event["error"]["type"] for event in world.events()]

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert kinds == ["QueueFullError", "PredictionTimeoutError"]


def test_an_unforeseen_error_is_a_500_without_details(tmp_path: Path, service_log: io.StringIO) -> None:
    """The answer has the type of the error only; the service log has the stack trace."""

    def stumble(_node: Any) -> Any:
        raise KeyError("inside")

    with serving(tmp_path) as world:
        world.loaded.inputs.read = stumble
        status, answer = world.post("/predict", TEXTS)
        (event,) = world.events()

    assert (status, event["http"]["response"]["status_code"]) == (500, 500)
    assert answer["error"] == {
        "type": "KeyError",
        "message": "the server failed; its log gives the reason",
        "field": None,
    }
    assert "in stumble" in service_log.getvalue()


def test_when_events_cannot_be_written_nothing_is_accepted(world: World) -> None:
    """Predictions and feedback get 503 and the server is not ready; when writing works again, it recovers by itself."""
    world.post("/predict", TEXTS)
    before = world.log.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        refused = world.client.post("/predict", json=TEXTS)
        feedback, _ = world.post("/feedback", {"prediction_id": "p", "type": "click"})
        ready = world.client.get("/readyz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.get_json()["error"]["type"] == "EventLogError"
    assert feedback == 503
    assert (ready.status_code, ready.get_json()["reason"]) == (503, "events cannot be written (File too large)")
    assert world.log.path.read_bytes() == before
    assert world.client.get("/readyz").status_code == 200
    assert world.post("/predict", TEXTS)[0] == 200
    assert [event["event"]["sequence"] for event in world.events()] == [1, 2]


def test_a_prediction_whose_event_is_lost_can_be_answered(tmp_path: Path) -> None:
    """By a setting; it is counted, and the numbers of the events have a gap. Feedback is never answered without."""
    with serving(tmp_path, on_failure="answer") as world:
        world.post("/predict", TEXTS)
        size = world.log.path.stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
        try:
            status, answer = world.post("/predict", {"instances": [TEXTS, TEXTS]})
            feedback = world.post("/feedback", {"prediction_id": "p", "type": "click"})[0]
            ready = world.client.get("/readyz").status_code
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        world.post("/predict", TEXTS)
        metrics = world.client.get("/metrics").get_data(as_text=True)
        sequence = [event["event"]["sequence"] for event in world.events()]

    assert (status, len(answer["predictions"]), feedback, ready) == (200, 2, 503, 200)
    assert sequence == [1, 4]
    assert "model_server_events_lost_total 2.0" in metrics


GZIPPED = gzip.compress(orjson.dumps(TEXTS), mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "reason"),
    [
        (GZIPPED, "gzip", 200, ""),
        (GZIPPED, "GZIP", 200, ""),
        (orjson.dumps(TEXTS), "identity", 200, ""),
        (gzip.compress(b"[" * 100_001, mtime=0), "gzip", 413, "more than 100000 bytes when it is decompressed"),
        (GZIPPED[:-5], "gzip", 400, "not one whole gzip member"),
        (GZIPPED + b"more", "gzip", 400, "not one whole gzip member"),
        (orjson.dumps(TEXTS), "gzip", 400, "the body is not gzip"),
        (b"", "gzip", 400, "not one whole gzip member"),
        (GZIPPED, "br", 415, "Content-Encoding: br is not taken; send gzip or no encoding"),
        (GZIPPED, "gzip, gzip", 415, "is not taken"),
    ],
)
def test_a_body_may_be_compressed(world: World, body: bytes, encoding: str, status: int, reason: str) -> None:
    """The limit holds for what it is when decompressed."""
    answer = world.client.post(
        "/predict", data=body, content_type="application/json", headers={"Content-Encoding": encoding}
    )

    assert answer.status_code == status
    assert reason in answer.get_json().get("error", {}).get("message", "")


def test_the_clients_request_id_is_kept(world: World) -> None:
    """In answer and events; two lists with one request id are still two lists."""
    body = {"instances": [TEXTS, TEXTS]}
    answers = [world.client.post("/predict", json=body, headers={"X-Request-Id": "mine-1"}) for _ in range(2)]
    odd = world.client.post("/predict", json=TEXTS, headers={"X-Request-Id": "two words"})
    events = world.events()

    assert [answer.headers["X-Request-Id"] for answer in answers] == ["mine-1", "mine-1"]
    assert {event["http"]["request"]["id"] for event in events[:4]} == {"mine-1"}
    assert len({event["ranking"]["id"] for event in events[:4]}) == 2
    assert len(odd.headers["X-Request-Id"]) == 32


def test_health_and_metrics(world: World) -> None:
    """The server reports that it lives, its models, and its counters."""
    world.post("/predict", {"instances": [TEXTS, TEXTS]})
    world.post("/predict", b"{")

    assert world.client.get("/healthz").get_json() == {"status": "alive"}
    assert world.client.get("/readyz").get_json() == {
        "status": "ready",
        "model": {"name": "click", "version": "7"},
        "models": [{"name": "click", "versions": {"7": {"state": "default", "engine": "function"}}, "labels": {}}],
    }
    families = text_string_to_metric_families(world.client.get("/metrics").get_data(as_text=True))
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert samples["model_server_requests_total", "/predict", "400"] == 1
    assert samples["model_server_queue_instances", "click", "7"] == 0
    assert samples["model_server_batches_total", "click", "7"] == 1
    assert samples["model_server_instances_total", "click", "7"] == 2
    assert samples["model_server_version_info", "click", "default", "7"] == 1
    figures = {name[0]: value for name, value in samples.items() if len(name) == 1}
    assert figures == {
        "model_server_events_total": 3,
        "model_server_features_left_out_total": 0,
        "model_server_event_log_failures_total": 0,
        "model_server_events_lost_total": 0,
        "model_server_shadow_requests_total": 0,
        "model_server_shadow_failures_total": 0,
        "model_server_shadow_dropped_total": 0,
        "model_server_refresh_failed": 0,
        "model_server_ready": 1,
    }
    assert len(world.events()) == 3
