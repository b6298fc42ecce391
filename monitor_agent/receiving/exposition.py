"""The receiver's metrics in the text format of Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Metric, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from monitor_agent.receiving.receiver import Receiver

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "monitor_receive_"


class ReceiverMetrics:
    """The metrics of a receiver; safe for threads."""

    def __init__(self, receiver: Receiver) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._answers = Counter(f"{PREFIX}requests", "requests answered", ("path", "status"), registry=self._registry)
        self._registry.register(_ReceiverFigures(receiver))

    def count(self, path: str, status: int) -> None:
        """Count one answered request."""
        self._answers.labels(path, status).inc()

    def text(self) -> str:
        """Return all metrics as text."""
        return generate_latest(self._registry).decode()


class _ReceiverFigures(Collector):
    """What a receiver counts by itself, at the moment of a scrape."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        receiver, waiting = self._receiver, self._receiver.waiting
        events = CounterMetricFamily(
            f"{PREFIX}events", "predictions, feedback and other events that were taken", labels=("source", "outcome")
        )
        for (source, outcome), number in receiver.outcomes.items():
            events.add_metric((source, outcome), number)
        yield events
        waiting_now = waiting.count  # forgets the requests whose time is over: the counters below then hold them
        for name, text, value in (
            ("responses_without_request", "responses that were taken without their request", receiver.without_request),
            ("requests_without_response", "requests whose response did not come in time", waiting.figures.unanswered),
            ("requests_dropped", "requests that had to go before their response", waiting.figures.dropped),
            ("requests_overtaken", "requests that came after their response", waiting.figures.overtaken),
            ("lines_written", "event lines written", receiver.log.written),
            ("write_failures", "failed attempts to write event lines", receiver.log.failures),
        ):
            yield CounterMetricFamily(PREFIX + name, text, value=value)
        yield GaugeMetricFamily(f"{PREFIX}requests_waiting", "requests that wait for their response", waiting_now)
        yield GaugeMetricFamily(f"{PREFIX}waiting_bytes", "size of all requests that are remembered", waiting.bytes)
