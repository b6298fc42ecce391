"""The event log of a serving process: one file for all models, and what each of them writes into it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import structlog

from model_server.engines.engine import Engine
from monitor_agent.errors import SettingsError
from monitor_agent.prediction_log import EventLog, Origin, PredictionLog, ServiceLog
from monitor_agent.prediction_log.pseudonyms import load_key
from monitor_agent.settings import ServerSettings
from monitor_agent.settings.server_settings import ANSWER

DISTRIBUTION = "model-monitor"
_log = structlog.get_logger()


class ServerLogs:
    """The event log of a process, and the logs of its models; `close` ends them.

    Raises
    ------
    SettingsError
        If the folder cannot be written, or the key of the pseudonyms cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self.events = _open_log(settings)
        try:
            self._key = load_key(settings.hmac_key, Path(settings.log_dir))
        except SettingsError as error:
            self.events.close()
            raise SettingsError(error.message, f"{error.hint} (MODEL_SERVER_HMAC_KEY)") from error
        origin = Origin(settings.service_name, version(DISTRIBUTION), settings.environment, self.events.node)
        self.of_service = ServiceLog(self.events, origin)

    def of_model(self, model: Engine) -> PredictionLog:
        """Return the log of the predictions of a version."""
        return PredictionLog(
            self.events,
            model=model.card.name,
            version=model.card.version,
            kind=model.kind,
            threshold=model.card.threshold,
            classes=model.classes,
            engine=model.engine,
            service_name=self._settings.service_name,
            service_version=version(DISTRIBUTION),
            environment=self._settings.environment,
            hmac_key=self._key,
            log_query_text=self._settings.log_query_text,
            answer_on_failure=self._settings.on_failure == ANSWER,
        )

    def close(self) -> None:
        """Force the lines to disk and close the file."""
        self.events.close()


def _open_log(settings: ServerSettings) -> EventLog:
    try:
        return EventLog(
            Path(settings.log_dir),
            rotate_bytes=settings.rotate_bytes,
            sync_seconds=settings.sync_interval.total_seconds(),
            clock=now,
            group_read=settings.log_group_read,
            report=_report,
        )
    except SettingsError as error:
        raise SettingsError(error.message, "set MODEL_LOG_DIR") from error


def _report(level: int, message: str, fields: Mapping[str, str]) -> None:
    """Write what happens to the event files into the service's own log."""
    _log.log(level, message, **fields)


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)
