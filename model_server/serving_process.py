"""A serving process: it opens address, event log, models and HTTP server, and closes them in reverse order."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from model_server import setting_limits
from model_server.access import keys_of
from model_server.api_keys import VARIABLE, ApiKeys
from model_server.app import create_app
from model_server.direct_predict import DirectPredict
from model_server.engines.tensorflow_loading import import_tensorflow
from model_server.model_service import ModelService, ServiceDependencies
from model_server.releases.available import cards_to_serve
from model_server.request_counters import RequestCounters
from model_server.server_logs import ServerLogs, now
from model_server.version_loading import make_manager
from monitor_agent import files
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.http_serving.exposure import warn_of_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.http_serving.service_manager import notify_ready
from monitor_agent.settings import ServerSettings

REMEDY = "set MODEL_SERVER_HOST and MODEL_SERVER_PORT; port 0 = any free one"
YOUNG_OBJECTS = 10_000
"""The collector runs when so many objects are new: it then stops all threads for about a millisecond."""
_log = structlog.get_logger()


class ProcessSignals:
    """Receives SIGTERM, SIGINT and SIGHUP, remembers that one came, and calls the function for it."""

    def __init__(self) -> None:
        self.received = False
        self._stop: Callable[[], None] = lambda: None
        self._on_hangup: Callable[[], None] = lambda: None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._on_hangup())

    def on_hangup(self, call: Callable[[], None]) -> None:
        """Call a function at each SIGHUP from now on; earlier ones are ignored."""
        self._on_hangup = call

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
    """Serve until SIGTERM or SIGINT; SIGHUP looks for new versions.

    Parameters
    ----------
    address_file : file that holds the server's URL while the server is ready.
    require_auth : refuse to start if other machines can reach the server and it has no login.
    notify_socket : where systemd waits for the readiness of the server; "" = nowhere.

    Raises
    ------
    MonitorError
        If the port, the log folder or a model cannot be used.
    """
    setting_limits.check(settings)
    signals = ProcessSignals()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(settings.host, settings.port, "the server", REMEDY))
        protected = bool(settings.api_keys)
        warn_of_exposure(
            "the model server", settings.host, VARIABLE, settings, authenticated=protected, require=require_auth
        )
        logs = ServerLogs(settings)
        stack.callback(logs.close)
        keys = keys_of(settings)
        cards_to_serve(settings)  # what is wrong with the folders is said before the library is loaded
        import_tensorflow()
        # The collector leaves alone what is loaded now, but not the models: it must be able to free them.
        stack.enter_context(rare_garbage_collection(YOUNG_OBJECTS))
        manager = make_manager(settings, logs)
        stack.callback(manager.stop)
        manager.load_all()
        service = ModelService(ServiceDependencies(settings, logs.of_service, lambda: manager.serving, manager.refresh))
        service.shadows.start()
        stack.callback(service.shadows.stop)
        signals.on_hangup(manager.wake)
        manager.start()
        run_http(service, listener, signals, address_file, keys, notify_socket)
    _log.info("stopped", events=logs.events.written)


def run_http(
    service: ModelService,
    listener: socket.socket,
    signals: ProcessSignals,
    address_file: Path | None,
    keys: ApiKeys | None = None,
    notify_socket: str = "",
) -> None:
    """Serve HTTP until a signal arrives and the requests in flight are answered."""
    settings = service.dependencies.settings
    counters = RequestCounters(service.figures)
    served_application = ServedApplication(
        create_app(service, counters, now, keys),
        settings.threads,
        settings.max_body_bytes,
        answers_refusals=True,
        direct=DirectPredict(service, counters, now, keys),
    )
    http = HttpServer(served_application, listener, settings.host, settings)
    signals.then(http.stop)
    address = http.address
    with files.address_file(address_file) as publish:
        publish(address)
        notify_ready(notify_socket)
        models = service.serving.models.values()
        _log.info(
            "ready",
            **{
                "server.address": address,
                "model.name": ", ".join(model.name for model in models),
                "model.version": ", ".join(model.default for model in models),
                "log.file.path": str(service.dependencies.log.log.path),
            },
        )
        http.run()
