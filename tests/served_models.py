"""A model of other people behind the real application, in this process and without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from model_server.app import create_app
from model_server.model_service import ModelService, ServiceDependencies
from model_server.request_counters import RequestCounters
from model_server.server_logs import ServerLogs, now
from model_server.version_loading import make_manager
from monitor_agent.contracts.ecs import DATASET_RELEASE
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.settings import ServerSettings
from tests.dry_pipeline import documents_of, source_of
from tests.foreign_models import ForeignModel
from tests.unit.monitor_agent.prediction_log.factories import lines_in


class Client:
    """A client of a server with one model, and the events that the server has written."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app = app
        self._client = app.test_client()
        self._folder = folder

    def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self._client.post(path, data=data, **options)
        return answer.status_code, answer.get_json()

    def get(self, path: str) -> tuple[int, Any]:
        answer = self._client.get(path)
        return answer.status_code, answer.get_json()

    def events(self) -> list[dict[str, Any]]:
        """Return the events of requests so far; the pipeline must accept each of them."""
        events = [event for event in lines_in(self._folder) if event["event"]["dataset"] != DATASET_RELEASE]
        for event in events:
            read = source_of(FileInput).events_of(json.dumps(event).encode(), "/logs/a.ndjson")
            ((index, _, document),) = documents_of(read)
            assert not index.startswith("model-deadletters"), document
        return events


@contextmanager
def serving(folder: Path, foreign: ForeignModel) -> Iterator[Client]:
    """Serve a model in this process, without a socket."""
    model_folder = folder / "shop" / "3"
    foreign.save(model_folder)
    settings = ServerSettings(model_dir=str(model_folder.parent), model_name="shop", log_dir=str(folder / "log"))
    logs = ServerLogs(settings)
    manager = make_manager(settings, logs)
    try:
        manager.load_all()
        service = ModelService(ServiceDependencies(settings, logs.of_service, lambda: manager.serving, manager.refresh))
        yield Client(create_app(service, RequestCounters(service.figures), now), folder / "log")
    finally:
        manager.stop()
        logs.close()
