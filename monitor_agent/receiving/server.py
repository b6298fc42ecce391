"""The receiving process: it opens address and event log, serves, and closes them in reverse order."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import structlog

from monitor_agent.errors import SettingsError
from monitor_agent.http_serving.exposure import warn_of_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.prediction_log import EventLog
from monitor_agent.prediction_log.pseudonyms import Pseudonyms, load_key
from monitor_agent.receiving.application import ReceiverApplication
from monitor_agent.receiving.receiver import Receiver
from monitor_agent.receiving.request_journal import RequestJournal
from monitor_agent.receiving.source_lines import SourceLines
from monitor_agent.receiving.waiting_requests import WaitingRequests
from monitor_agent.settings import ServerSettings, Settings, SourceMappings

DEFAULT_PORT = 8502
THREADS = 12
SHORTEST_PAUSE = 1.0
"""Seconds between two looks for requests whose time is over."""
REMEDY = "set PIPELINE_RECEIVE_HOST and PIPELINE_RECEIVE_PORT; port 0 = any free one"
_log = structlog.get_logger()


def serve(settings: Settings, mappings: SourceMappings, ready: Callable[[HttpServer], None]) -> None:
    """Serve until the server is stopped.

    Parameters
    ----------
    ready : called with the server before it answers its first request; it must let signals stop the server.

    Raises
    ------
    MonitorError
        If the port, the certificate or the log folder cannot be used, or the receiver would answer everybody and
        REQUIRE_AUTH forbids that.
    """
    receive = settings.receive
    port = DEFAULT_PORT if receive.port is None else receive.port
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bind(receive.host, port, "the receiver", REMEDY))
        warn_of_exposure(
            "the receiver",
            receive.host,
            "PIPELINE_RECEIVE_TOKEN",
            receive,
            authenticated=bool(receive.token),
            require=settings.security.require_auth,
        )
        receiver = open_receiver(settings, mappings)
        stack.enter_context(_open(receiver, receive.wait.total_seconds()))
        application = ReceiverApplication(receiver, receive)
        server = HttpServer(
            ServedApplication(application, THREADS, receive.max_body_bytes), listener, receive.host, receive
        )
        ready(server)
        fields = {"server.address": server.address, "log.file.path": str(receiver.log.path)}
        _log.info("ready", sources=", ".join(sorted(mappings)) or "all, by default", **fields)
        server.run()
        waiting = receiver.waiting.count
    _log.info("stopped", events=receiver.log.written, requests_waiting=waiting)


@contextlib.contextmanager
def _open(receiver: Receiver, wait: float) -> Iterator[None]:
    """Close a receiver after the block; in it, requests whose time is over leave the journal.

    Parameters
    ----------
    wait : how long a request is remembered, s.
    """
    ending = threading.Event()

    def tidy() -> None:
        while not ending.wait(max(wait, SHORTEST_PAUSE)):
            receiver.waiting.tidy()

    thread = threading.Thread(target=tidy, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        receiver.close()


def open_receiver(settings: Settings, mappings: SourceMappings) -> Receiver:
    """Return a receiver with an event log and a journal of its own, which the caller closes.

    Raises
    ------
    SettingsError
        If the folder cannot be written, or the key of the pseudonyms cannot be used.
    """
    server, receive = settings.server, settings.receive
    log = _open_log(server)
    try:
        pseudonyms = _pseudonyms(server)
        journal = RequestJournal(Path(server.log_dir), server.sync_interval.total_seconds())
    except SettingsError:
        log.close()
        raise
    lines = SourceLines(log.node, server.environment, pseudonyms, query_text=server.log_query_text)
    waiting = WaitingRequests(
        receive.max_waiting_bytes, receive.wait.total_seconds(), receive.overtaking.total_seconds(), journal
    )
    if waiting.figures.resumed:
        _log.info("requests of the process before wait for their responses", requests=waiting.figures.resumed)
    return Receiver(log, lines, mappings, waiting, receive.max_instances)


def _pseudonyms(server: ServerSettings) -> Pseudonyms:
    try:
        return Pseudonyms(load_key(server.hmac_key, Path(server.log_dir)))
    except SettingsError as error:
        raise SettingsError(error.message, f"{error.hint} (MODEL_SERVER_HMAC_KEY)") from error


def _open_log(server: ServerSettings) -> EventLog:
    try:
        return EventLog(
            Path(server.log_dir),
            rotate_bytes=server.rotate_bytes,
            sync_seconds=server.sync_interval.total_seconds(),
            clock=_now,
            group_read=server.log_group_read,
            report=_report,
            numbered=False,
        )
    except SettingsError as error:
        raise SettingsError(error.message, "set MODEL_LOG_DIR") from error


def _report(level: int, message: str, fields: Mapping[str, str]) -> None:
    """Write what happens to the event files into the receiver's own log."""
    _log.log(level or logging.INFO, message, **fields)


def _now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)
