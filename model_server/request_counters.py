"""Counters of the answered requests, and the server's other figures, as Prometheus text.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, disable_created_metrics, generate_latest
from prometheus_client.registry import Collector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the response time's buckets, seconds."""


class RequestCounters:
    """Requests by path and status, and their response times; safe for threads.

    Parameters
    ----------
    figures : returns the further metrics of the text, as they are at this moment.
    """

    def __init__(self, figures: Callable[[], Iterable[Metric]]) -> None:
        # The format of Prometheus has no place for the start of a counter; the library would make series of it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        requests = Counter("model_server_requests", "requests answered", ("path", "status"), registry=self._registry)
        response_time = Histogram(
            "model_server_response_time_seconds",
            "from a request's first byte to its answer",
            ("path",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Figures(figures))
        # Looking the labels up in the library costs more than the counting itself.
        self._requests_of = functools.cache(requests.labels)
        self._response_time_of = functools.cache(response_time.labels)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests_of(path, status).inc()
        self._response_time_of(path).observe(seconds)

    def text(self) -> str:
        """Return all counters and figures as text."""
        return generate_latest(self._registry).decode()


class _Figures(Collector):
    """Hands the registry what a function returns."""

    def __init__(self, figures: Callable[[], Iterable[Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        return self._figures()
