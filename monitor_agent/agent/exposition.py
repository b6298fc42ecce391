"""The agent's own metrics in the text format of Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from monitor_agent.agent.health import Health
from monitor_agent.contracts.cycle import FIELDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "monitor_agent_"


class AgentCollector(Collector):
    """The list of the agent's metrics, with their values at the moment of a scrape.

    Parameters
    ----------
    requests, failures : requests to Elasticsearch so far, and how many of them had no good answer.
    """

    def __init__(self, health: Health, requests: int, failures: int) -> None:
        self._health = health
        self._requests = requests
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        figures = self._health.snapshot()
        since = self._health.since_last_cycle()
        yield _gauge("healthy", "1 if /healthz is green, else 0", float(not self._health.reasons()))
        yield _counters("cycles", "cycles by outcome", figures.cycles, "outcome")
        yield _counter("cycle_seconds", "time spent in cycles", figures.seconds)
        yield _counter("windows", "base windows counted", figures.windows)
        yield _counter("merged", "larger windows merged", figures.merged)
        yield _counter("written", "metrics documents written", figures.written)
        yield _counter("restated", "final metrics documents written again", figures.restated)
        yield _counters("feedback", "feedback by its new status", figures.feedback, "status")
        yield _counter("elasticsearch_requests", "requests to Elasticsearch", self._requests)
        yield _counter("elasticsearch_failures", "requests to Elasticsearch that failed", self._failures)
        if figures.not_counted:
            yield _gauges("not_counted", "stored events that cannot be counted", figures.not_counted, "reason")
        if figures.failed_models:
            failed = dict.fromkeys(figures.failed_models, 1.0)
            yield _gauges("model_failed", "1 if the last cycle could not compute the model", failed, "model")
        if figures.alerts:
            yield _gauges("alerts_active", "active firings by alert", figures.alerts, "alert")
        if figures.notifications:
            yield _notifications(figures.notifications)
        if figures.failing_channels:
            failing = dict.fromkeys(figures.failing_channels, 1.0)
            yield _gauges("channel_failing", "1 if a channel did not take its last notification", failing, "channel")
        if since is not None:
            yield _gauge("seconds_since_last_cycle", "time since the last cycle was done", since)
        for name, value in figures.last_cycle.items():
            yield _gauge(f"last_{name}", FIELDS[name].help, value)


def metrics_text(health: Health, requests: int, failures: int) -> str:
    """Return the answer of `/metrics`; see `AgentCollector`."""
    registry = CollectorRegistry()
    registry.register(AgentCollector(health, requests, failures))
    return generate_latest(registry).decode()


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_, value=value)


def _gauges(name: str, help_: str, values: Mapping[str, float], label: str) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, help_, labels=[label])
    for value, figure in values.items():
        family.add_metric([value], figure)
    return family


def _counter(name: str, help_: str, value: float) -> Metric:
    """Return a counter; its name in the text ends with `_total`."""
    return CounterMetricFamily(PREFIX + name, help_, value=value)


def _notifications(counts: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(PREFIX + "notifications", "messages about alerts", labels=["channel", "outcome"])
    for (channel, outcome), count in counts.items():
        family.add_metric([channel, outcome], count)
    return family


def _counters(name: str, help_: str, values: Mapping[str, float], label: str) -> Metric:
    family = CounterMetricFamily(PREFIX + name, help_, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
