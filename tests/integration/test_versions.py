"""Several models and versions behind a real server: they come, go, move by labels, and share requests."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from model_server.api_keys import RIGHTS, add_key
from monitor_agent.logstash.inputs.file import FileInput
from tests.dry_pipeline import documents_of, source_of
from tests.integration.test_model_server import Client, Server
from tests.waiting import wait_until

X = {"inputs": {"x": [0.0]}}
RELOAD = "/v1/config/reload"


def save(folder: Path, bias: float, **card: Any) -> None:
    """Write a small model: its score grows with its only input; the folder appears as a whole."""
    import tensorflow as tf

    draft = folder.with_name(f".{folder.name}")
    module = tf.Module()
    spec = tf.TensorSpec([None, 1], tf.float32, name="x")
    module.call = tf.function(lambda x: {"score": tf.sigmoid(x[:, 0] + bias)}, input_signature=[spec])
    tf.saved_model.save(module, str(draft), signatures={"serving_default": module.call})
    (draft / "model.json").write_text(json.dumps({"threshold": 0.5, **card}))
    draft.rename(folder)


class Shop:
    """A server of the models `click` and `buy`; it looks for versions only when it is asked to."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        for name in ("click", "buy"):
            (self.models / name).mkdir(parents=True)
            save(self.models / name / "1", 0.0)
        self.key = add_key(folder / "keys.json", "operator", RIGHTS, datetime.now(timezone.utc))
        self.weak_key = add_key(folder / "keys.json", "shop", ["predict"], datetime.now(timezone.utc))
        settings = {"MODEL_SERVER_POLL": "0s", "MODEL_SERVER_API_KEYS": str(folder / "keys.json")}
        self.server = Server(folder, self.models, **settings)

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Send a request on a new connection; return status and decoded answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        headers = {"Content-Type": "application/json", "X-API-Key": self.key if key is None else key}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if answer.getheader("Content-Type") == "application/json" else content

    @property
    def address(self) -> tuple[str, int]:
        return Client(self.server.address_file.read_text().strip()).address

    def predict(self, model: str = "click", **fields: Any) -> Any:
        status, answer = self.send("POST", "/predict", {**X, "model": model, **fields})
        assert status == 200, answer
        return answer

    def version(self, **fields: Any) -> str:
        """Return the version that answers a request."""
        version: str = self.predict(**fields)["model"]["version"]
        return version

    def rules(self, text: str) -> None:
        """Replace the rules of the model `click`."""
        draft = self.models / ".models.toml"
        draft.write_text(f"[models.click]\n{text}\n")
        draft.rename(self.models / "models.toml")

    def reload(self) -> Any:
        status, answer = self.send("POST", RELOAD)
        assert status == 200, answer
        return answer

    def events(self, dataset: str) -> list[dict[str, Any]]:
        return [event for event in self.server.all_events() if event["event"]["dataset"] == f"model.{dataset}"]

    def releases(self) -> list[tuple[str, str, str, str]]:
        events = self.events("release")
        return [
            (event["event"]["action"], event["event"]["outcome"], event["model"]["name"], event["model"]["version"])
            for event in events
        ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Yield the shop of these tests; each leaves the model `click` with rules of its own."""
    opened = Shop(tmp_path_factory.mktemp("shop"))
    try:
        opened.server.wait_ready()
        yield opened
        assert opened.server.end() == 0
        events = opened.server.all_events()
        assert [event["event"]["sequence"] for event in events] == list(range(1, len(events) + 1))
        for event in events:
            read = source_of(FileInput).events_of(json.dumps(event).encode(), "/logs/a.ndjson")
            assert [index for index, *_ in documents_of(read) if index.startswith("model-deadletters")] == []
    finally:
        opened.server.clean_up()


@contextmanager
def load(shop: Shop, clients: int = 4) -> Iterator[list[Any]]:
    """Predict without a pause during the block; the list has every answer that is no prediction."""
    failures: list[Any] = []
    stop = threading.Event()

    def send() -> None:
        client = http.client.HTTPConnection(*shop.address, timeout=60)
        headers = {"Content-Type": "application/json", "X-API-Key": shop.key}
        while not stop.is_set():
            client.request("POST", "/predict", json.dumps({**X, "model": "click"}), headers)
            answer = client.getresponse()
            content = answer.read()
            if answer.status != 200:
                failures.append(content)
        client.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_request_names_one_of_several_models(shop: Shop) -> None:
    """Without a name it is refused, and the error names the models; each model's events have its name."""
    status, answer = shop.send("POST", "/predict", X)
    unknown, _ = shop.send("POST", "/predict", {**X, "model": "other"})
    number, _ = shop.send("POST", "/predict", {**X, "model": 7})

    assert (status, answer["error"]["message"]) == (400, "model: is missing; this server serves buy, click")
    assert (unknown, number) == (404, 400)
    assert shop.predict("buy")["model"] == {"name": "buy", "version": "1"}
    assert [event["model"]["name"] for event in shop.events("prediction")] == ["buy"]
    assert {"model" in event for event in shop.events("request_error")} == {False}

    path = "/v1/models/buy:predict"
    assert shop.send("POST", path, {"instances": [[0.0]]})[0] == 200
    assert shop.send("POST", path, {"instances": [["a"]]})[0] == 400
    assert shop.events("request_error")[-1]["model"] == {"name": "buy", "version": "1"}

    prediction_id = shop.predict("buy")["prediction_id"]
    assert shop.send("POST", "/feedback", {"prediction_id": prediction_id, "type": "click"})[0] == 202
    assert "model" not in shop.events("feedback")[-1]


def test_the_description_names_all_models(shop: Shop) -> None:
    """OpenAPI: a body of `/predict` needs the name of a model."""
    _, document = shop.send("GET", "/openapi.json")

    schema = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    names = {entry["properties"]["model"]["const"] for model in schema["anyOf"] for entry in model["anyOf"]}
    assert names == {"buy", "click"}
    assert all("model" in entry["required"] for model in schema["anyOf"] for entry in model["anyOf"])
    assert {"/v1/models/buy:predict", "/v1/models/click/metadata", RELOAD} <= set(document["paths"])


def test_only_an_administrator_reloads(shop: Shop) -> None:
    """A key without the right is refused."""
    assert shop.send("POST", RELOAD, key=shop.weak_key)[0] == 403
    assert shop.send("POST", RELOAD, key="")[0] == 401


def test_a_new_version_takes_over_under_load(shop: Shop) -> None:
    """No request fails; the event of the release comes with the time of loading; a broken version changes nothing."""
    with load(shop) as failures:
        save(shop.models / "click" / "2", 1.0)
        answer = shop.reload()
        assert shop.version() == "2"

        save(shop.models / "click" / "3", 1.0)
        graph = shop.models / "click" / "3" / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[:100])
        status, refusal = shop.send("POST", RELOAD)
        assert shop.version() == "2"

    assert failures == []
    (click,) = [model for model in answer["models"] if model["name"] == "click"]
    assert click["versions"] == {"2": {"state": "default", "engine": "tensorflow"}}
    assert (status, refusal["refused"][0]["version"]) == (409, "3")
    assert shop.releases() == [
        ("version-loaded", "success", "buy", "1"),
        ("version-loaded", "success", "click", "1"),
        ("version-loaded", "success", "click", "2"),
        ("version-unloaded", "success", "click", "1"),
        ("version-refused", "failure", "click", "3"),
    ]
    assert "cannot be loaded" in shop.events("release")[-1]["event"]["reason"]
    assert shop.events("release")[2]["event"]["duration"] > 0

    ready, state = shop.send("GET", "/readyz")
    assert (ready, state["refused"][0]["model"]) == (200, "click")
    _, statuses = shop.send("GET", "/v1/models/click")
    assert [(entry["version"], entry["state"]) for entry in statuses["model_version_status"]] == [
        ("2", "AVAILABLE"),
        ("3", "END"),
    ]
    _, figures = shop.send("GET", "/metrics")
    assert b'model_server_version_info{model="click",state="refused",version="3"} 1.0' in figures
    graph.unlink()
    (shop.models / "click" / "3").rename(shop.models / ".broken")


def test_a_label_moves_back_at_a_signal(shop: Shop) -> None:
    """`stable` answers; a client of TensorFlow Serving names a label or a version."""
    shop.rules('labels = {stable = "1", canary = "2"}')
    shop.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: shop.version() == "1", 60)

    def score(path: str) -> Any:
        status, answer = shop.send("POST", f"/v1/models/click{path}:predict", {"instances": [[0.0]]})
        return answer["predictions"][0] if status == 200 else status

    assert score("") == score("/labels/stable") == score("/versions/1") == 0.5
    assert score("/labels/canary") == score("/versions/2") == pytest.approx(0.731, abs=0.001)
    assert (score("/labels/other"), score("/versions/9")) == (404, 404)
    assert shop.send("GET", "/v1/models/click/labels/canary/metadata")[1]["model_spec"]["version"] == "2"


def test_a_split_and_a_shadow_share_the_requests(shop: Shop) -> None:
    """A person stays with one version, and the event says why; each answer has a shadow that names it."""
    save(shop.models / "click" / "4", -1.0)
    shop.rules('labels = {stable = "1", canary = "2"}\nshadow = ["4"]\nsplit = {stable = 3, canary = 1}')
    shop.reload()
    before = len(shop.events("prediction"))

    people = [f"user-{number}" for number in range(40)]
    versions = {user: shop.version(context={"user_id": user}) for user in people}
    again = {user: shop.version(context={"user_id": user, "session_id": "s"}) for user in people}
    wait_until(lambda: len(shop.events("prediction")) >= before + 4 * len(people))

    assert versions == again
    assert set(versions.values()) == {"1", "2"}
    events = shop.events("prediction")[before:]
    answered = {event["prediction"]["id"]: event for event in events if not event["prediction"]["shadow"]}
    shadows = [event for event in events if event["prediction"]["shadow"]]
    assert {event["model"]["version"] for event in shadows} == {"4"}
    assert sorted(event["prediction"]["primary_id"] for event in shadows) == sorted(answered)
    shares = {"stable": 0.75, "canary": 0.25}
    for event in answered.values():
        name = "stable" if event["model"]["version"] == "1" else "canary"
        assert event["prediction"]["assignment"] == {"name": name, "unit": "user", "propensity": shares[name]}
    assert {event["user"]["id"] for event in shadows} == {event["user"]["id"] for event in answered.values()}


def test_broken_rules_are_reported_and_change_nothing(shop: Shop) -> None:
    """The reload says what is wrong; so does `/readyz`, which still says ready."""
    version = shop.version(context={"user_id": "u"})
    shop.rules("versions = 7")

    status, answer = shop.send("POST", RELOAD)

    assert (status, "versions is 7" in answer["error"]) == (409, True)
    assert "versions is 7" in shop.send("GET", "/readyz")[1]["problem"]
    assert shop.version(context={"user_id": "u"}) == version


@pytest.mark.soak
def test_many_swaps_under_load_fail_no_request(tmp_path: Path) -> None:
    """Each of 20 versions takes over, one after another."""
    shop = Shop(tmp_path)
    try:
        shop.server.wait_ready()
        with load(shop, clients=8) as failures:
            for number in range(2, 22):
                save(shop.models / "click" / str(number), 1.0)
                shop.reload()
                assert shop.version() == str(number)
        assert shop.server.end() == 0
    finally:
        shop.server.clean_up()

    assert failures == []
    answered = shop.events("prediction")
    assert {event["model"]["version"] for event in answered} >= {str(number) for number in range(1, 22)}
