"""Requests as KServe's logger and UBI's collectors send them, and a receiver in this process that takes them."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor_agent.receiving.application import ReceiverApplication
from monitor_agent.receiving.receiver import Receiver
from monitor_agent.receiving.server import open_receiver
from monitor_agent.settings import ReceiveSettings, ServerSettings, Settings, SourceMapping

REQUEST, RESPONSE = "org.kubeflow.serving.inference.request", "org.kubeflow.serving.inference.response"
TIME = "2026-11-25T10:00:00.250Z"
INSTANCES = {"instances": [{"item": 14, "price": 2.5}, {"item": 15, "price": 1.0}]}
PREDICTIONS = {"predictions": [0.25, 0.75]}


def attributes(role: str, identifier: str = "7b1c", time: str = TIME, **changed: str) -> dict[str, str]:
    """Return the attributes of a CloudEvent of KServe's logger."""
    plain = {
        "specversion": "1.0",
        "id": identifier,
        "source": "http://localhost:9081/",
        "type": role,
        "time": time,
        "inferenceservicename": "click",
        "namespace": "shop",
        "component": "predictor",
        "endpoint": "default",
    }
    return {**plain, **changed}


def ce_headers(role: str, identifier: str = "7b1c", time: str = TIME, **changed: str) -> dict[str, str]:
    """Return the headers of such an event in binary mode; an attribute with the value "" is left out."""
    present = attributes(role, identifier, time, **changed)
    return {"content-type": "application/json", **{f"ce-{name}": text for name, text in present.items() if text}}


def tensor(name: str, data: Sequence[Any], shape: Sequence[int] = (), datatype: str = "FP32") -> dict[str, Any]:
    """Return a tensor of version 2."""
    return {"name": name, "shape": list(shape or [len(data)]), "datatype": datatype, "data": list(data)}


def hits_query(query_id: str = "q1", hits: Sequence[str] = ("a", "b"), **changed: Any) -> dict[str, Any]:
    """Return a document of `ubi_queries`."""
    plain = {
        "query_id": query_id,
        "user_query": "boots",
        "client_id": "browser-1",
        "timestamp": TIME,
        "query_response_id": f"r-{query_id}",
        "query_response_hit_ids": list(hits),
    }
    return {**plain, **changed}


def user_event(
    action: str, object_id: Any = "a", query_id: str = "q1", *, ordinal: int | None = 1, **changed: Any
) -> dict[str, Any]:
    """Return a document of `ubi_events`."""
    place = {} if ordinal is None else {"position": {"ordinal": ordinal}}
    plain = {
        "action_name": action,
        "query_id": query_id,
        "client_id": "browser-1",
        "session_id": "s1",
        "timestamp": "2026-11-25T10:00:09Z",
        "event_attributes": {"object": {"object_id": object_id, "object_id_field": "sku"}, **place},
    }
    return {**plain, **changed}


@dataclass(frozen=True)
class Answer:
    """What the receiver has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a value."""
        return json.loads(self.body)


@dataclass(frozen=True)
class LocalReceiver:
    """A receiver in this process."""

    folder: Path
    receiver: Receiver
    application: ReceiverApplication

    def send(
        self, body: Any = b"", headers: Mapping[str, str] | None = None, *, path: str = "/", method: str = "POST"
    ) -> Answer:
        """Return the answer to a request; a body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(content)),
            "CONTENT_TYPE": (headers or {}).get("content-type", ""),
            "HTTP_HOST": "localhost:8502",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(content),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        }
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        pieces = self.application(environ, lambda status, pairs: begun.append((status, pairs)))
        ((status, pairs),) = begun
        return Answer(int(status.split()[0]), {name.lower(): value for name, value in pairs}, b"".join(pieces))

    def lines(self) -> list[dict[str, Any]]:
        """Return the events in the files."""
        texts = [path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.ndjson"))]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def figure(self, name: str) -> float:
        """Return a value of `/metrics`, such as `requests_waiting` or `events_total{outcome="predictions",...}`."""
        text = self.send(path="/metrics", method="GET").body.decode()
        rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(rows.get(f"monitor_receive_{name}", "nan"))


SYNC_INTERVAL = ServerSettings().sync_interval


@contextmanager
def local_receiver(
    folder: Path,
    mappings: Mapping[str, SourceMapping] | None = None,
    *,
    sync_interval: timedelta = SYNC_INTERVAL,
    **changed: Any,
) -> Iterator[LocalReceiver]:
    """Yield a receiver; `changed` are its settings."""
    receive = dataclasses.replace(ReceiveSettings(), **changed)
    settings = Settings(server=ServerSettings(log_dir=str(folder), sync_interval=sync_interval), receive=receive)
    receiver = open_receiver(settings, mappings or {})
    try:
        yield LocalReceiver(folder, receiver, ReceiverApplication(receiver, receive))
    finally:
        receiver.close()
