"""The figures of a service for `/metrics`, as they are at this moment."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from model_server.loaded_model import LoadedModel
from model_server.releases.served_version import ServedModel, ServedVersion, Serving
from model_server.shadow_scoring import ShadowScorer
from monitor_agent.prediction_log import EventLog

OF_VERSION = ("model", "version")
DEFAULT, SHADOW, SPARE = "default", "shadow", "spare"


def figures_of_versions(serving: Serving[LoadedModel]) -> Iterator[Metric]:
    """Return the figures of the versions that are served, and which ones are refused."""
    waiting = GaugeMetricFamily("model_server_queue_instances", "instances that wait for the model", labels=OF_VERSION)
    batches = CounterMetricFamily("model_server_batches", "batches computed", labels=OF_VERSION)
    computed = CounterMetricFamily("model_server_instances", "instances computed", labels=OF_VERSION)
    versions = GaugeMetricFamily(
        "model_server_version_info",
        "1 for each version: `default`, `shadow`, `spare` (it answers by label, split or name), or `refused`",
        labels=(*OF_VERSION, "state"),
    )
    for model in serving.models.values():
        for name, version in model.versions.items():
            batcher = version.content.batcher
            waiting.add_metric((model.name, name), batcher.depth)
            batches.add_metric((model.name, name), batcher.batches)
            computed.add_metric((model.name, name), batcher.computed)
            versions.add_metric((model.name, name, state_of(model, version)), 1.0)
    for refused in serving.refused:
        versions.add_metric((refused.model, refused.version, "refused"), 1.0)
    yield from (waiting, batches, computed, versions)


def state_of(model: ServedModel[LoadedModel], version: ServedVersion[LoadedModel]) -> str:
    """Return what a loaded version is for."""
    name = version.card.version
    if name in model.shadows:
        return SHADOW
    return DEFAULT if name == model.default else SPARE


def figures_of_server(
    log: EventLog, shadows: ShadowScorer, features_left_out: int, *, is_ready: bool, has_problem: bool
) -> Iterator[Metric]:
    """Return the figures of a process.

    Parameters
    ----------
    features_left_out : features of requests that were not logged.
    has_problem : whether folders or rules could not be read at the last look.
    """
    counts = {
        "model_server_events": ("event lines written", log.written),
        "model_server_features_left_out": ("features outside the allow-lists, not logged", features_left_out),
        "model_server_events_lost": ("events of answered requests that could not be written", log.lost),
        "model_server_event_log_failures": ("failed attempts to write events", log.failures),
        "model_server_shadow_requests": ("requests that shadow versions have scored", shadows.scored),
        "model_server_shadow_failures": ("requests that shadow versions could not score", shadows.failed),
        "model_server_shadow_dropped": ("requests that no shadow version has scored: too many waited", shadows.dropped),
    }
    for name, (text, count) in counts.items():
        yield CounterMetricFamily(name, text, count)
    yield GaugeMetricFamily("model_server_ready", "1 if the server can take requests, else 0", float(is_ready))
    yield GaugeMetricFamily(
        "model_server_refresh_failed",
        "1 if folders or rules of models could not be read at the last look",
        float(has_problem),
    )
