"""What the manager of versions does with a version: loads and ends it, reports it, frees its memory."""

from __future__ import annotations

import contextlib
import gc

import structlog

from model_server.engines.background import beside_requests
from model_server.engines.loading import load_engine
from model_server.loaded_model import LoadedModel
from model_server.model_card import ModelCard
from model_server.releases.version_manager import VersionManager, VersionUse
from model_server.server_logs import ServerLogs
from monitor_agent.contracts.kinds import BINARY
from monitor_agent.errors import PredictionLogError
from monitor_agent.prediction_log import ReleaseChange
from monitor_agent.settings import ServerSettings

_log = structlog.get_logger()


def make_manager(settings: ServerSettings, logs: ServerLogs) -> VersionManager[LoadedModel]:
    """Return the manager of the versions that the settings name; nothing is loaded yet."""
    manager: VersionManager[LoadedModel] = VersionManager(
        settings,
        VersionUse(
            load=lambda card: load_version(settings, card, logs, is_serving=manager.is_running),
            close=lambda loaded: loaded.batcher.stop(),
            report=lambda change: _report(change, logs),
            free=_free_memory,
            drain_seconds=settings.predict_timeout.total_seconds(),
        ),
    )
    return manager


def load_version(
    settings: ServerSettings, card: ModelCard, logs: ServerLogs, *, is_serving: bool = False
) -> LoadedModel:
    """Return a version, warmed up; its batcher runs.

    Parameters
    ----------
    is_serving : whether requests are answered meanwhile, by other versions.

    Raises
    ------
    MonitorError
        If it cannot be loaded or called.
    """
    _log.info("loading the model", **{"model.name": card.name, "model.version": card.version})
    with beside_requests() if is_serving else contextlib.nullcontext():
        engine = load_engine(card, settings.model_threads)
        engine.warm_up(settings.max_batch_size)
    if engine.kind == BINARY.name and not card.has_threshold:
        _log.warning(
            "the model has no threshold: a score of 0.5 or more is a positive; write it into model.json, or set "
            "MODEL_SERVER_THRESHOLD",
            **{"model.name": card.name, "model.threshold": card.threshold},
        )
    loaded = LoadedModel(settings, engine, logs.of_model(engine))
    loaded.batcher.start()
    return loaded


def _free_memory() -> None:
    """Collect what models of TensorFlow leave behind, cycles of references: the collector itself hardly ever runs."""
    gc.collect()


def _report(change: ReleaseChange, logs: ServerLogs) -> None:
    """Say in the service's log and in the event log what has happened to a version."""
    fields = {"model.name": change.model_name, "model.version": change.model_version}
    message = change.action.replace("-", " ")
    if change.succeeded:
        _log.info(message, labels=list(change.labels), reason=change.reason, **fields)
    else:
        _log.error(message, reason=change.reason, **fields)
    try:
        logs.of_service.write_release(change)
    except PredictionLogError as error:
        _log.warning("release not logged", reason=str(error), **fields)
