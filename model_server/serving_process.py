"""A serving process: it opens address, event log, model and HTTP server, and closes them in reverse order."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import FrameType

import structlog

from model_server import setting_limits
from model_server.access import keys_of
from model_server.api_keys import VARIABLE, ApiKeys
from model_server.app import create_app
from model_server.batching import Batcher
from model_server.engines.engine import Engine
from model_server.engines.loading import load_engine
from model_server.model_service import ModelService, ServiceDependencies
from model_server.releases.available import cards_to_serve
from model_server.request_counters import RequestCounters
from model_server.signatures.instance_inputs import InputReader
from monitor_agent import files
from monitor_agent.contracts.bounds import NUMBER, PROBABILITY
from monitor_agent.contracts.kinds import BINARY, REGRESSION
from monitor_agent.errors import SettingsError
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.http_serving.exposure import warn_of_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.http_serving.service_manager import notify_ready
from monitor_agent.prediction_log.event_log import EventLog
from monitor_agent.prediction_log.prediction_log import PredictionLog
from monitor_agent.prediction_log.pseudonyms import load_key
from monitor_agent.settings import ServerSettings
from monitor_agent.settings.server_settings import ANSWER

DISTRIBUTION = "model-monitor"
REMEDY = "set MODEL_SERVER_HOST and MODEL_SERVER_PORT; port 0 = any free one"
_log = structlog.get_logger()


class StopSignals:
    """Receives SIGTERM and SIGINT, remembers that one came, and calls the function that stops the server."""

    def __init__(self) -> None:
        self.received = False
        self._stop: Callable[[], None] = lambda: None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def then(self, stop: Callable[[], None]) -> None:
        """Call `stop` when a signal arrives; at once if one has arrived."""
        self._stop = stop
        if self.received:
            stop()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not self.received:
            self.received = True
            _log.info("stopping", signal=signal.Signals(number).name)
            self._stop()


def serve(
    settings: ServerSettings, address_file: Path | None = None, *, require_auth: bool = False, notify_socket: str = ""
) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    address_file : file that holds the server's URL while the server is ready.
    require_auth : refuse to start if other machines can reach the server and it has no login.
    notify_socket : where systemd waits for the readiness of the server; "" = nowhere.

    Raises
    ------
    MonitorError
        If the port, the log folder or the model cannot be used.
    """
    setting_limits.check(settings)
    signals = StopSignals()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(settings.host, settings.port, "the server", REMEDY))
        protected = bool(settings.api_keys)
        warn_of_exposure(
            "the model server", settings.host, VARIABLE, settings, authenticated=protected, require=require_auth
        )
        log = open_log(settings)
        stack.callback(log.close)
        keys = keys_of(settings)
        key = key_of_pseudonyms(settings)
        model = load_model(settings)
        batcher = make_batcher(settings, model)
        batcher.start()
        stack.callback(batcher.stop)
        prediction_log = make_prediction_log(settings, model, log, key)
        inputs = make_reader(model)
        stack.enter_context(rare_garbage_collection())
        service = ModelService(
            ServiceDependencies(settings, model.card, inputs, batcher, prediction_log, model.signatures)
        )
        run_http(service, listener, signals, address_file, keys, notify_socket)
    _log.info("stopped", events=log.written)


def run_http(
    service: ModelService,
    listener: socket.socket,
    signals: StopSignals,
    address_file: Path | None,
    keys: ApiKeys | None = None,
    notify_socket: str = "",
) -> None:
    """Serve HTTP until a signal arrives and the requests in flight are answered."""
    settings = service.dependencies.settings
    app = create_app(service, RequestCounters(service.figures), now, keys)
    served_application = ServedApplication(app, settings.threads, settings.max_body_bytes, answers_refusals=True)
    http = HttpServer(served_application, listener, settings.host, settings)
    signals.then(http.stop)
    address = http.address
    with files.address_file(address_file) as publish:
        publish(address)
        notify_ready(notify_socket)
        _log.info(
            "ready",
            **{
                "server.address": address,
                "model.name": service.dependencies.card.name,
                "model.version": service.dependencies.card.version,
                "log.file.path": str(service.dependencies.prediction_log.log.path),
            },
        )
        http.run()


def open_log(settings: ServerSettings) -> EventLog:
    """Return the event log of this process.

    Raises
    ------
    SettingsError
        If its folder cannot be written.
    """
    try:
        return EventLog(
            Path(settings.log_dir),
            rotate_bytes=settings.rotate_bytes,
            sync_seconds=settings.sync_interval.total_seconds(),
            clock=now,
            group_read=settings.log_group_read,
            report=report,
        )
    except SettingsError as error:
        raise SettingsError(error.message, "set MODEL_LOG_DIR") from error


def report(level: int, message: str, fields: Mapping[str, str]) -> None:
    """Write what happens to the event files into the service's own log."""
    _log.log(level, message, **fields)


def key_of_pseudonyms(settings: ServerSettings) -> str:
    """Return the key of the pseudonyms.

    Raises
    ------
    SettingsError
        If it is too short, or its file cannot be read or written.
    """
    try:
        return load_key(settings.hmac_key, Path(settings.log_dir))
    except SettingsError as error:
        raise SettingsError(error.message, f"{error.hint} (MODEL_SERVER_HMAC_KEY)") from error


def load_model(settings: ServerSettings) -> Engine:
    """Return the model that the settings choose, loaded and warmed up.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be loaded or called.
    """
    card = cards_to_serve(settings)[-1]
    _log.info("loading the model", **{"model.name": card.name, "model.version": card.version})
    model = load_engine(card, settings.model_threads)
    model.warm_up(settings.max_batch_size)
    if model.kind == BINARY.name and not card.has_threshold:
        _log.warning(
            "the model has no threshold: a score of 0.5 or more is a positive; write it into model.json, or set "
            "MODEL_SERVER_THRESHOLD",
            **{"model.name": card.name, "model.threshold": card.threshold},
        )
    return model


def make_batcher(settings: ServerSettings, model: Engine) -> Batcher:
    """Return the batcher of a model; it is not started yet."""
    return Batcher(
        model.compute,
        group_of=lambda inputs: inputs.group,
        bounds=NUMBER if model.kind == REGRESSION.name else PROBABILITY,
        max_batch_size=settings.max_batch_size,
        max_delay_seconds=settings.max_batch_delay.total_seconds(),
        max_queue=settings.max_queue,
        timeout_seconds=settings.predict_timeout.total_seconds(),
    )


def make_reader(model: Engine) -> InputReader:
    """Return the reader of a model's inputs."""
    return InputReader(model.plan.forms, model.limits)


def make_prediction_log(settings: ServerSettings, model: Engine, log: EventLog, key: str) -> PredictionLog:
    """Return the log of a model's predictions.

    Parameters
    ----------
    log : the event log of this process; the logs of several models share it.
    key : key of the pseudonyms.
    """
    card = model.card
    return PredictionLog(
        log,
        model=card.name,
        version=card.version,
        kind=model.kind,
        threshold=card.threshold,
        classes=model.classes,
        engine=model.engine,
        service_name=settings.service_name,
        service_version=version(DISTRIBUTION),
        environment=settings.environment,
        hmac_key=key,
        log_query_text=settings.log_query_text,
        answer_on_failure=settings.on_failure == ANSWER,
    )


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)
